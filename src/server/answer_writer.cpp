#include "server/answer_writer.hpp"

#include <utility>

namespace caldera::server {

WholeWriter::WholeWriter(std::shared_ptr<Responder> responder, Dialect dialect, Body body,
                         std::string_view call_prefix)
    : responder_(std::move(responder)), dialect_(dialect), body_(body), call_prefix_(call_prefix) {}

void WholeWriter::finish(std::span<const ModelAnswer> answers) {
  responder_->send(200, dump_json(body_(head_, answers)));
}

void WholeWriter::fail(const ApiError& error) {
  send_error(*responder_, dialect_, error, head_.request_id);
}

std::string dump_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace caldera::server
