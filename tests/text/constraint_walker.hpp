// Walks constraints with texts and with tokens drawn at random.
#pragma once

#include <array>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "caldera/constraint.hpp"
#include "text/tokenizer.hpp"

namespace caldera::text {

class ConstraintWalker {
 public:
  explicit ConstraintWalker(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    for (uint32_t i = 0; i < tokenizer.size(); ++i) {
      const auto token = static_cast<Token>(i);
      const std::string piece = tokenizer.piece(token);
      if (!piece.empty()) spelled_[static_cast<unsigned char>(piece[0])].emplace_back(piece, token);
    }
  }

  static bool has(const std::vector<uint32_t>& bits, Token token) {
    return (bits[static_cast<size_t>(token) / 32] >> (token % 32) & 1) != 0;
  }

  std::vector<uint32_t> allowed(TokenConstraint& constraint) const {
    std::vector<uint32_t> bits((tokenizer_.size() + 31) / 32, 0);
    constraint.allow(bits);
    return bits;
  }

  /// Whether the whole text may be the answer, cut into tokens at random.
  bool accepts(TokenConstraint& constraint, std::string_view text) {
    while (!text.empty()) {
      const std::vector<uint32_t> bits = allowed(constraint);
      std::vector<std::pair<size_t, Token>> next;
      for (const auto& [piece, token] : spelled_[static_cast<unsigned char>(text[0])]) {
        if (text.starts_with(piece) && has(bits, token)) next.emplace_back(piece.size(), token);
      }
      if (next.empty()) return false;
      const auto& [length, token] = next[random_() % next.size()];
      constraint.accept(token);
      text.remove_prefix(length);
    }
    return has(allowed(constraint), tokenizer_.eos());
  }

  /// Draws tokens at random among those allowed until the answer ends; nothing after `most` tokens.
  std::optional<std::string> draw(TokenConstraint& constraint, size_t most) {
    std::string text;
    for (size_t i = 0; i < most; ++i) {
      const std::vector<uint32_t> bits = allowed(constraint);
      std::vector<Token> tokens;
      for (uint32_t token = 0; token < tokenizer_.size(); ++token) {
        if (has(bits, static_cast<Token>(token))) tokens.push_back(static_cast<Token>(token));
      }
      if (tokens.empty()) return text;
      const Token token = tokens[random_() % tokens.size()];
      constraint.accept(token);
      if (token == tokenizer_.eos()) return text;
      text += tokenizer_.piece(token);
    }
    return std::nullopt;
  }

 private:
  const Tokenizer& tokenizer_;
  std::array<std::vector<std::pair<std::string, Token>>, 256> spelled_;
  std::mt19937 random_{7};
};

}  // namespace caldera::text
