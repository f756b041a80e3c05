// Answers of POST /v1/responses, whole and streamed.
// Shapes: https://platform.openai.com/docs/api-reference/responses/object and .../responses-streaming
#pragma once

#include "server/answer_writer.hpp"

namespace caldera::server {

/// `echo` is ResponsesRequest::echo.
std::unique_ptr<AnswerWriter> make_responses_writer(std::shared_ptr<Responder> responder, Json echo,
                                                    bool stream);

}  // namespace caldera::server
