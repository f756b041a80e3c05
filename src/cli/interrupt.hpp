// Ctrl-C as a flag that long work looks at.
#pragma once

namespace caldera::cli::interrupt {

/// From now on SIGINT sets the flag instead of ending the program, and a closed pipe is an error of write()
/// instead of a signal. A third SIGINT that nobody took ends the program at once: work may be stuck in a
/// driver.
void install();

/// For services, after install(): SIGTERM counts as SIGINT does, and the second of them ends the program at
/// once.
void install_for_service();

/// Whether SIGINT came since the last clear().
bool pending() noexcept;

/// Takes note of the interrupt: the flag is down again.
void clear() noexcept;

/// Readable while an interrupt is pending: poll() it beside the descriptor that is waited for.
int descriptor() noexcept;

}  // namespace caldera::cli::interrupt
