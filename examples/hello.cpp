// Asks a model one question and prints the answer as it comes:
//   caldera_hello MODEL.gguf "Why is the sky blue?"
#include <array>
#include <cstdio>

#include "caldera/caldera.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL.gguf QUESTION\n", argv[0]);
    return 2;
  }
  try {
    caldera::LoadOptions load;
    load.context = 2048;
    const auto model = caldera::Model::load(argv[1], load);
    std::fprintf(stderr, "%s on %s\n", model->info().name.c_str(), model->device().name.c_str());

    // The model's own chat template writes the control tokens, so they are read as such.
    const std::array messages = {caldera::Message{"user", argv[2]}};
    const std::string prompt = model->apply_chat_template(messages);
    caldera::Session session(model);
    session.append(model->tokenize(prompt, /*add_special=*/false, /*parse_special=*/true));

    caldera::GenerateOptions options;
    options.sampling.temperature = 0;  // always the likeliest token
    options.on_text = [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      return std::fflush(stdout) == 0;
    };
    const caldera::Generation answer = session.generate(options);
    std::printf("\n");
    std::fprintf(stderr, "%zu tokens, %.1f tokens/s\n", answer.tokens.size(), answer.decode_rate());
    return 0;
  } catch (const caldera::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
