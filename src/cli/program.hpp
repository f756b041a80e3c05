// The program: finds the command, runs it, and turns every failure into one line and an exit code.
#pragma once

namespace caldera::cli {

/// The whole of main(). Returns the exit code; throws nothing.
int run_program(int argc, char** argv);

}  // namespace caldera::cli
