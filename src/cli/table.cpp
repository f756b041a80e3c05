#include "cli/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace caldera::cli {
namespace {

/// Characters that a terminal shows of a cell: "±" is two bytes.
size_t width_of(const std::string& cell) {
  return static_cast<size_t>(std::count_if(
      cell.begin(), cell.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string aligned(const Table& table) {
  std::vector<std::vector<std::string>> rows = {table.heads};
  rows.insert(rows.end(), table.rows.begin(), table.rows.end());
  std::vector<size_t> widths(table.heads.size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = row[0] + std::string(widths[0] - width_of(row[0]), ' ');
    for (size_t i = 1; i < row.size(); ++i)
      line += std::string(2 + widths[i] - width_of(row[i]), ' ') + row[i];
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string markdown(const Table& table) {
  std::string out = fmt::format("| {} |\n|---|", fmt::join(table.heads, " | "));
  for (size_t i = 1; i < table.heads.size(); ++i) out += "--:|";
  out += "\n";
  for (const auto& row : table.rows) out += fmt::format("| {} |\n", fmt::join(row, " | "));
  return out;
}

}  // namespace caldera::cli
