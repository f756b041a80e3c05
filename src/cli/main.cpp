#include "cli/program.hpp"

int main(int argc, char** argv) {
  return caldera::cli::run_program(argc, argv);
}
