#include "text/jinja/syntax_tree.hpp"

#include <algorithm>

namespace caldera::text::jinja {
namespace {

class Height {
 public:
  int operator()(const ExpressionPtr& expression) const { return expression ? expression->height : 0; }
  int operator()(const std::vector<ExpressionPtr>& items) const {
    int height = 0;
    for (const auto& item : items) height = std::max(height, (*this)(item));
    return height;
  }
  int operator()(const CallArguments& arguments) const {
    int height =
        std::max({(*this)(arguments.positional), (*this)(arguments.rest), (*this)(arguments.named_rest)});
    for (const auto& [name, value] : arguments.named) height = std::max(height, (*this)(value));
    return height;
  }
  int operator()(const Literal&) const { return 0; }
  int operator()(const Name&) const { return 0; }
  int operator()(const Captured&) const { return 0; }
  int operator()(const ListDisplay& node) const { return (*this)(node.items); }
  int operator()(const DictDisplay& node) const {
    int height = 0;
    for (const auto& [key, value] : node.items) height = std::max({height, (*this)(key), (*this)(value)});
    return height;
  }
  int operator()(const Attribute& node) const { return (*this)(node.object); }
  int operator()(const Item& node) const { return std::max((*this)(node.object), (*this)(node.key)); }
  int operator()(const Slice& node) const {
    return std::max({(*this)(node.object), (*this)(node.start), (*this)(node.stop), (*this)(node.step)});
  }
  int operator()(const Call& node) const { return std::max((*this)(node.callee), (*this)(node.arguments)); }
  int operator()(const FilterCall& node) const {
    return std::max((*this)(node.input), (*this)(node.arguments));
  }
  int operator()(const TestCall& node) const {
    return std::max((*this)(node.input), (*this)(node.arguments));
  }
  int operator()(const Unary& node) const { return (*this)(node.operand); }
  int operator()(const Binary& node) const { return std::max((*this)(node.left), (*this)(node.right)); }
  int operator()(const Concatenation& node) const { return (*this)(node.parts); }
  int operator()(const ComparisonChain& node) const {
    int height = (*this)(node.first);
    for (const auto& [op, operand] : node.rest) height = std::max(height, (*this)(operand));
    return height;
  }
  int operator()(const Logical& node) const { return std::max((*this)(node.left), (*this)(node.right)); }
  int operator()(const Conditional& node) const {
    return std::max({(*this)(node.condition), (*this)(node.then), (*this)(node.otherwise)});
  }
};

}  // namespace

int height_below(const Expression::Node& node) {
  return std::visit(Height(), node);
}

}  // namespace caldera::text::jinja
