#include "server/openai_stream_end.hpp"

#include "server/answer_writer.hpp"

namespace caldera::server {

void end_events(Responder& responder, const std::optional<Json>& usage_chunk) {
  if (usage_chunk) responder.event(dump_json(*usage_chunk));
  responder.event("[DONE]");
  responder.end();
}

void fail_events(Responder& responder, bool begun, const ApiError& error, std::string_view request_id) {
  if (!begun) return send_error(responder, Dialect::kOpenAi, error, request_id);
  responder.event(error_body(Dialect::kOpenAi, error, request_id));
  responder.end();
}

}  // namespace caldera::server
