// One client's connection: reads requests one after the other, each within its limits of bytes and time, and
// writes their answers. What comes ahead of an answer waits; that the client has gone is seen at any time.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/answer.hpp"
#include "server/front.hpp"
#include "server/outbox.hpp"
#include "server/request_parser.hpp"

namespace caldera::server {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Clock = std::chrono::steady_clock;

  /// `socket` runs on a strand of `context`, which is kept as long as the connection.
  Connection(std::shared_ptr<boost::asio::io_context> context, Socket socket, std::string remote,
             Front& front);

  // Safe from any thread.
  void start();
  void close_if_idle();
  void close_now();
  const std::string& remote() const { return remote_; }
  /// When it last became idle; nothing while a request is under way.
  std::optional<Clock::time_point> idle_since() const;

 private:
  enum class Stage {
    kIdle,       ///< no byte of a request yet
    kHeaders,    ///< some
    kBody,       ///< all headers
    kAnswering,  ///< the whole request
    kLingering,  ///< answered for the last time: what still comes is read and forgotten, so that the answer
                 ///< arrives
    kClosed,
  };

  void read();
  void on_read(const boost::system::error_code& code, size_t bytes);
  void consume();     ///< input_, as far as it goes
  bool begin_body();  ///< after the headers; false where the request was answered already
  void dispatch();    ///< a whole request to its handler
  void refuse(const ApiError& error, Headers headers = {});
  std::shared_ptr<Answer> make_answer(bool keep_alive);

  void on_wake();  ///< the outbox has something
  void write_some();
  void on_written(const boost::system::error_code& code, size_t bytes);
  void finish_answer();
  void record(Ending ending);  ///< in log and metrics

  void become(Stage stage, Clock::duration time);
  void count_answering(Stage before);
  void arm();
  void on_time();
  void on_answer_time(Clock::time_point now);
  void linger();
  void lose(Ending ending);
  void close();

  std::shared_ptr<boost::asio::io_context> context_;
  Socket socket_;
  boost::asio::steady_timer timer_;
  const std::string remote_;
  Front& front_;

  Stage stage_ = Stage::kIdle;
  std::atomic<Clock::rep> idle_since_{0};
  Clock::time_point deadline_;  // of the stage
  std::optional<Clock::time_point> armed_;

  std::vector<char> read_buffer_;
  std::string input_;  // read, and not yet parsed
  size_t lingered_ = 0;

  std::optional<RequestParser> parser_;
  std::unique_ptr<BodyBudget::Share> share_;
  const Route* route_ = nullptr;
  std::vector<std::string> parameters_;

  // Of the request that is answered.
  std::shared_ptr<Outbox> outbox_;
  std::shared_ptr<AnswerState> state_;
  Request logged_;  // without its body, unless that is logged
  Clock::time_point began_;
  uint64_t request_bytes_ = 0;
  uint64_t answer_bytes_ = 0;
  bool http_1_0_ = false;

  std::string output_;
  size_t written_ = 0;
  bool writing_ = false;
  bool from_outbox_ = false;    // or "100 Continue"
  Clock::time_point progress_;  // when a byte was last taken
};

}  // namespace caldera::server
