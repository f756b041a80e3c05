// A service: one model that answers any number of requests side by side. Requests join and leave between
// decode steps, prompts are read in chunks beside them, and what several prompts begin with is read once.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/constraint.hpp"
#include "caldera/model.hpp"
#include "caldera/session.hpp"

namespace caldera {

/// One token and how likely it was, before temperature and penalties.
struct TokenLogprob {
  Token token = 0;
  float logprob = 0;  ///< natural logarithm
};

/// A drawn token with what else could have been drawn.
struct TokenChoice {
  TokenLogprob drawn;
  std::vector<TokenLogprob> top;  ///< most likely first
};

struct CompletionRequest {
  std::vector<Token> prompt;  ///< not empty
  SamplingOptions sampling;
  uint32_t max_tokens = 0;        ///< 0: until the model ends or the context is full
  std::vector<std::string> stop;  ///< as GenerateOptions::stop
  bool ignore_end = false;
  std::optional<uint32_t> top_logprobs;  ///< 0 to 20: TokenChoice with as many alternatives for each token
  std::shared_ptr<TokenConstraint> constraint;
  /// Instead of an answer: the hidden states of the prompt's tokens behind the output norm, pooled so and
  /// scaled to length 1, in CompletionEnd::embedding. The prompt may fill the context then; options of
  /// answers count for nothing, and nothing is kept for other requests.
  std::optional<Pooling> pooling;
  std::string client;  ///< whose turn it takes: clients share the device fairly
  std::string user;    ///< for whom the client asks: its users share its turns fairly
};

/// What happened to an answer since the last event.
struct CompletionChunk {
  std::string text;                  ///< whole UTF-8 characters; nothing that a stop string may yet take
  std::vector<Token> tokens;         ///< drawn
  std::vector<TokenChoice> choices;  ///< one for each of `tokens`, where asked for
};

/// How an answer ended, and what it took.
struct CompletionEnd {
  StopReason reason = StopReason::kEnd;
  std::string stop_string;     ///< of kStopString: which
  std::string error;           ///< of kOutOfMemory and kDeviceLost, one line
  uint32_t prompt_tokens = 0;  ///< of the request
  uint32_t cached_tokens = 0;  ///< of them: were in KV memory already
  uint32_t completion_tokens = 0;
  std::vector<float> embedding;  ///< of CompletionRequest::pooling and kEnd: (ModelInfo::width)
  double queue_seconds = 0;      ///< until its prompt began to be read
  double prompt_seconds = 0;
  double decode_seconds = 0;
};

/// Hears of one answer. Called by the service's thread, which waits meanwhile: hand over, do not work.
class CompletionListener {
 public:
  virtual ~CompletionListener() = default;
  virtual void on_chunk(CompletionChunk chunk) = 0;
  /// The last call.
  virtual void on_end(const CompletionEnd& end) = 0;
};

/// What became of a request.
struct Admission {
  uint64_t id = 0;                      ///< 0: refused, because the queue is full or the service is draining
  std::chrono::seconds retry_after{0};  ///< of a refused one: when to try again
};

struct ServiceOptions {
  uint32_t queue = 256;        ///< most requests that wait
  uint32_t client_queue = 64;  ///< most of one client, of all its users
  /// Seconds that a running answer waits at most for prompts that are read beside it, between two tokens.
  double longest_stall = 0.25;
  /// Most tokens of prompts and answers that are kept for requests that begin alike, beyond those in use;
  /// absent: as much as KV memory allows.
  std::optional<uint64_t> cached_tokens;
};

/// A request as GET /v1/status shows it.
struct RequestStatus {
  uint64_t id = 0;
  std::string client;  ///< "client", or "client/user"
  enum class Stage { kWaiting, kReading, kAnswering } stage = Stage::kWaiting;
  uint32_t prompt_tokens = 0;
  uint32_t read_tokens = 0;  ///< of the prompt, cached ones too
  uint32_t completion_tokens = 0;
  double seconds = 0;  ///< since it came
};

/// What is going on, and what was done since the service began.
struct ServiceStatus {
  uint32_t slots = 0;  ///< most answers at once
  std::vector<RequestStatus> requests;
  uint64_t finished = 0;  ///< answers that ended by themselves
  uint64_t cancelled = 0;
  uint64_t refused = 0;
  uint64_t failed = 0;         ///< out of memory, device lost
  uint64_t prompt_tokens = 0;  ///< read
  uint64_t cached_prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t cached_tokens = 0;    ///< tokens kept now for requests to come
  double tokens_per_second = 0;  ///< decoded by all together, over the last seconds
  bool draining = false;
};

class Service {
 public:
  virtual ~Service() = default;
  /// Puts a request in the queue. The listener is kept until on_end(). Safe from any thread.
  /// Errors: kUsage (impossible options), kContext (the prompt leaves no room for an answer).
  virtual Admission submit(CompletionRequest request, std::shared_ptr<CompletionListener> listener) = 0;
  /// Ends a request within one decode step, with kCancelled; nothing if it has ended. Safe from any thread,
  /// listeners' calls too.
  virtual void cancel(uint64_t id) = 0;
  virtual ServiceStatus status() const = 0;
  /// Refuses new requests from now on, and returns when all have ended or `patience` has passed, after which
  /// those left are cancelled.
  virtual void drain(std::chrono::milliseconds patience) = 0;
};

/// A service of `model`, which was loaded with as many LoadOptions::sequences as are to be answered at once
/// and holds no sessions. Destroying it cancels what is under way.
std::unique_ptr<Service> make_service(std::shared_ptr<Model> model, const ServiceOptions& options = {});

}  // namespace caldera
