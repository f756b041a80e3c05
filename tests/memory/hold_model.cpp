// A program that tests start beside themselves: hold_model FILE copy|import. Loads the file, draws a few
// tokens, prints them and "ready", and holds the model until its input ends.
#include <iostream>
#include <string>

#include "caldera/caldera.hpp"

int main(int count, char** words) {
  using namespace caldera;
  if (count != 3) return 2;
  try {
    const auto model = Model::load(
        words[1],
        {.context = 64, .way = std::string(words[2]) == "import" ? LoadWay::kImport : LoadWay::kCopy});
    Session session(model);
    session.append(std::vector<Token>{72});
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = 3;
    options.ignore_end = true;
    options.sampling.presence_penalty = 1000;
    for (const Token token : session.generate(options).tokens) std::cout << token << ' ';
    std::cout << "ready" << std::endl;
    for (char byte = 0; std::cin.get(byte);) {
    }
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return error.exit_code();
  }
}
