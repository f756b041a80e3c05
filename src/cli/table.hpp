// Tables for people: as aligned text, and as Markdown.
#pragma once

#include <string>
#include <vector>

namespace caldera::cli {

/// The first column is text, the others are figures.
struct Table {
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows;  ///< each as long as `heads`
};

/// Columns two spaces apart, figures to the right, no spaces at the ends of lines.
std::string aligned(const Table& table);

/// Cells must be free of "|".
std::string markdown(const Table& table);

}  // namespace caldera::cli
