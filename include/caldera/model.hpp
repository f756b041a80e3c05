// A model, loaded once and shared by any number of sessions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/constraint.hpp"
#include "caldera/device.hpp"
#include "caldera/kv_format.hpp"
#include "caldera/token.hpp"

namespace caldera {

struct LoadProgress {
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
};

/// How weights get from a file into device memory.
enum class LoadWay {
  kAuto,    ///< whichever suits file and device; LoadReport says which and why
  kCopy,    ///< through a ring of host memory into the layout that computes fastest
  kImport,  ///< the device reads the mapped file itself: no copy, shared between processes
};

/// What loading a model came to.
struct LoadReport {
  LoadWay way = LoadWay::kCopy;  ///< kCopy or kImport
  std::string reason;            ///< why that way, in words
  std::string reader;            ///< how the file was read: "io_uring, direct"
  uint64_t bytes = 0;            ///< of the file's tensors
  double seconds = 0;
};

/// How weights are multiplied with activations. Where a GPU has matrix units prompts take f16 there, unless
/// kF32 is asked for; sums are f32 always. The rest is about weights in blocks: steps, and prompts elsewhere.
enum class Arithmetic {
  kAuto,  ///< kInt8 where the device has integer dot products, else kF32
  kF32,   ///< prompts too
  kInt8,  ///< activations rounded to 8 bits with a scale for each 32: fewer instructions a weight
  kF16,   ///< on any device with matrix units, software too: prompts in f16 and steps of many; of few in f32
};

/// Whether to find out how decoding runs fastest on the device: up to two seconds when a model is loaded for
/// the first time, and one before it first decodes 2, up to 4, up to 8 and so on together. What is found
/// is remembered.
enum class Tuning {
  kAuto,   ///< what is not remembered
  kAgain,  ///< whatever is remembered
  kOff,    ///< no, and leave alone what is remembered
};

/// How rotary positions are stretched, for contexts longer than a model was trained for.
enum class PositionScaling {
  kAsFile,  ///< as the file says, mostly not at all
  kNone,    ///< not at all, whatever the file says
  kLinear,  ///< positions divided by the factor: https://arxiv.org/abs/2306.15595
  kYarn,    ///< slow rotations more than fast ones: https://arxiv.org/abs/2309.00071
};

/// A lost device: the driver gave up on it, or it on its work. The model is loaded again on the same device,
/// and the sessions are read again; what was generated stays, and goes on as if nothing had happened.
struct DeviceLoss {
  enum class Stage {
    kLost,       ///< it was noticed; the device is opened again
    kReloading,  ///< the weights are on their way, see `progress`
    kRestored,   ///< what was under way goes on
  };
  Stage stage = Stage::kLost;
  std::string reason;     ///< what was tried, and what the driver said; one line
  uint32_t in_a_row = 1;  ///< losses since something was accomplished
  LoadProgress progress;
  double seconds = 0;  ///< since the loss
};

/// What of the hidden states of a text's tokens becomes its embedding.
enum class Pooling {
  kMean,   ///< their mean
  kFirst,  ///< that of the first token ("cls")
  kLast,   ///< that of the last token, which alone has seen all others in a causal model
};

struct LoadOptions {
  std::string device;    ///< empty: the best one; an index; or a part of a device's name
  uint32_t context = 0;  ///< most tokens a session may hold; 0: the model's own context length
  PositionScaling position_scaling = PositionScaling::kAsFile;
  /// With kLinear and kYarn, 1 to 1024; 0: what `context` needs, or the file's own.
  double position_factor = 0;
  uint32_t sequences = 1;     ///< most sessions alive at once, 1 to 64
  uint32_t prefill_rows = 0;  ///< most tokens read in one batch; 0: chosen for the device
  /// Most bytes of memory at the device's own speed (unified devices: of all memory); 0: what the device
  /// gives.
  uint64_t memory_limit = 0;
  KvFormats kv;  ///< how keys and values are kept; kUnsupported where the model's heads do not allow it
  /// Seconds that the device is to take for one submission, 0.001 to 10: drivers reset a device that takes
  /// too long, and other programs wait for its end. The first ones of a model are shorter, until its speed is
  /// known.
  double submit_target = 0.1;
  LoadWay way = LoadWay::kAuto;
  uint64_t ring_bytes = 0;  ///< host memory that a file is read through; 0: chosen, at most 1 GiB
  Arithmetic arithmetic = Arithmetic::kAuto;
  Tuning tuning = Tuning::kAuto;
  /// How many losses of the device in a row, with nothing accomplished between them (no token drawn, no call
  /// finished), are made good; one more is an error, and so is any with 0.
  uint32_t recoveries = 3;
  /// Called when the device is lost and while that is mended, in the calls that meet it; returning false ends
  /// them, as cancelling does. It must stay as long as the model.
  std::function<bool(const DeviceLoss&)> on_device_lost;
  /// Copies every page of keys and values that is full into host memory while the device works, and the last
  /// one of a prompt, so that after a loss only the tokens that were drawn since are computed again, as they
  /// were at first, and a sequence that forgot tokens goes on with what it had made of them. Takes as much
  /// host memory as KV memory takes of the device: kMemory where there is not so much for `context` (or 8192
  /// tokens, if none is asked for).
  bool keep_kv = false;
  /// Seconds without anything finished after which a device counts as lost though its driver does not say so;
  /// 0: 120, and for ever on a software device.
  double patience = 0;
  /// Asked between submissions, by the thread that makes them, with the seconds of device time that those
  /// since it was last asked are predicted to take, 0.05 or more: for so many seconds the device then rests.
  /// It must stay as long as the model.
  std::function<double(double worked)> rest;
  std::optional<Pooling> pooling;  ///< of embeddings; absent: as ModelInfo::pooling says
  bool validation = false;  ///< Khronos validation with synchronization checks; its layer must be installed
  /// Called while loading; returning false ends it with Error (kUsage) "loading was cancelled".
  std::function<bool(const LoadProgress&)> progress;
};

struct ModelInfo {
  std::string name;          ///< general.name, or the file's name
  std::string architecture;  ///< "llama"
  std::string format;        ///< the format most weights are in, "Q4_1"
  uint64_t parameters = 0;
  uint64_t file_bytes = 0;
  uint32_t context_length = 0;  ///< as trained
  uint32_t scaled_context = 0;  ///< as far as positions make sense with the scaling that is in use
  uint32_t layers = 0;
  uint32_t width = 0;  ///< of a hidden state, and so of an embedding
  uint32_t vocabulary = 0;
  /// Of embeddings: as LoadOptions say, else as the file says, else kMean. Absent: in a way that there is
  /// not.
  std::optional<Pooling> pooling;
  bool has_chat_template = false;
};

/// Device memory in use, in bytes.
struct MemoryUse {
  uint64_t weights = 0;
  uint64_t kv = 0;           ///< KV pages allocated so far
  uint64_t kv_limit = 0;     ///< what `kv` grows to when every session is full; not part of total()
  uint64_t activations = 0;  ///< activations, logits, tables
  uint64_t staging = 0;      ///< rings for loading and reading back
  uint64_t imported = 0;     ///< of `weights`: in the mapped file, which other processes may share
  uint64_t far_weights = 0;  ///< of `weights`: across the bus of a discrete device
  std::optional<double> far_bandwidth;  ///< 10^9 bytes a second at which the device reads them, measured
  uint64_t kept_kv = 0;  ///< of host memory: copies of pages, see LoadOptions::keep_kv; no part of total()
  std::vector<HeapUse> heaps;
  uint64_t total() const { return weights + kv + activations + staging; }
};

/// Work recorded for one decoded token of one sequence.
struct StepShape {
  uint32_t dispatches = 0;
  uint32_t barriers = 0;
};

/// One message of a conversation.
struct Message {
  std::string role;  ///< "system", "user", "assistant", "tool"
  std::string content;
};

struct ChatOptions {
  bool add_generation_prompt = true;
  std::string tools_json;  ///< a JSON array of tools in the OpenAI shape, or empty
  std::string extra_json;  ///< a JSON object of further template variables, or empty
};

namespace engine {
class Engine;
}
namespace text {
class Tokenizer;
}

class Model : public std::enable_shared_from_this<Model> {
 public:
  /// Loads a GGUF file (or split set) into device memory.
  /// Errors: kFile, kFormat, kUnsupported, kDevice, kMemory, kUsage (impossible options).
  static std::shared_ptr<Model> load(const std::filesystem::path& path, const LoadOptions& options = {});
  ~Model();

  const ModelInfo& info() const;
  const DeviceInfo& device() const;
  MemoryUse memory() const;
  const LoadReport& load_report() const;
  StepShape decode_shape() const;
  uint32_t context() const;  ///< most tokens a session may hold

  /// Ids of `text`. With `parse_special`, "<|im_start|>" and its like are read as control tokens.
  std::vector<Token> tokenize(std::string_view text, bool add_special = true,
                              bool parse_special = false) const;
  /// Text of tokens; control tokens show only with `special`.
  std::string detokenize(std::span<const Token> tokens, bool special = false) const;

  /// The conversation as the model's own chat template writes it (ChatML if the model has none).
  /// Errors: kInput where the template raises, kUnsupported where it cannot be parsed.
  std::string apply_chat_template(std::span<const Message> messages, const ChatOptions& options = {}) const;
  /// As above for messages given as JSON in the OpenAI shape (tool calls, content parts).
  std::string apply_chat_template_json(std::string_view messages_json, const ChatOptions& options = {}) const;

  /// Holds one answer to a format; null for kText.
  /// Errors: kInput (a schema or a pattern that cannot be held, and where), kUnsupported (this build cannot).
  std::shared_ptr<TokenConstraint> constrain(const AnswerFormat& format) const;

  /// The template's source, a Jinja program.
  std::string_view chat_template() const;

  engine::Engine& engine() const;            ///< for Session; not part of the public interface
  const text::Tokenizer& tokenizer() const;  ///< as above

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace caldera
