#include "text/jinja/runtime.hpp"

#include <algorithm>

#include "text/jinja/template_error.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

// About what a value on the heap takes beside its content, so that the limit on work limits memory too.
constexpr uint64_t kObjectCost = 96;

}  // namespace

void Runtime::fail(const std::string& why) const {
  fail_template(ErrorKind::kInput, line, why);
}

void Runtime::charge(uint64_t work) {
  if (work > limits_.work - work_) fail("the template does too much work; its loops or texts are too long");
  work_ += work;
}

void Runtime::charge_text(size_t bytes) {
  if (bytes > limits_.text)
    fail("the template makes a text of more than " + std::to_string(limits_.text) + " bytes");
  charge(bytes);
}

Value Runtime::make_string(std::string text, bool markup) {
  charge_text(text.size());
  charge(kObjectCost);
  auto made = std::make_shared<String>();
  made->length = code_point_count(text);
  made->text = std::move(text);
  made->markup = markup;
  return Value(std::shared_ptr<const String>(std::move(made)));
}

int Runtime::checked_height(const std::vector<Value>& items) const {
  int height = 1;
  for (const Value& item : items) height = std::max(height, item.height() + 1);
  if (height > limits_.height) fail("values are nested too deeply");
  return height;
}

Value Runtime::make_list(std::vector<Value> items, ListKind kind) {
  charge(items.size() * 32 + kObjectCost);
  auto made = std::make_shared<List>();
  made->kind = kind;
  made->height = checked_height(items);
  made->items = std::move(items);
  return Value(std::shared_ptr<const List>(std::move(made)));
}

Value Runtime::make_generator(std::vector<Value> items) {
  charge(items.size() * 32 + kObjectCost);
  auto made = std::make_shared<Generator>();
  made->height = checked_height(items);
  made->items = std::move(items);
  return Value(std::move(made));
}

Value Runtime::make_dict(Dict dict) {
  if (dict.height() > limits_.height) fail("values are nested too deeply");
  return Value(std::shared_ptr<const Dict>(std::make_shared<Dict>(std::move(dict))));
}

Value Runtime::make_undefined(std::string reason) {
  charge(reason.size() + kObjectCost);
  return Value(Undefined{std::make_shared<const std::string>(std::move(reason))});
}

void Runtime::set(Dict& dict, const Value& key, Value value) {
  charge(128 + (key.is_string() ? key.text().size() : 0));
  if (!dict.set(key, std::move(value))) fail("unhashable type: '" + key.type_name() + "'");
}

std::vector<Value> Runtime::characters(std::string_view text) {
  std::vector<Value> items;
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    next_code_point(text, offset);
    charge(96);
    items.push_back(make_string(std::string(text.substr(begin, offset - begin))));
  }
  return items;
}

std::vector<Value> Runtime::iterate(const Value& value) {
  if (value.is_sequence()) {
    charge(value.list().items.size());
    return value.list().items;
  }
  if (value.is_string()) return characters(value.text());
  if (value.is_undefined()) return {};
  if (value.is_dict()) {
    std::vector<Value> keys;
    charge(value.dict().items().size());
    for (const auto& item : value.dict().items()) keys.push_back(item.first);
    return keys;
  }
  if (value.is_generator()) {
    Generator& generator = value.generator();
    std::vector<Value> rest(generator.items.begin() + static_cast<std::ptrdiff_t>(generator.next),
                            generator.items.end());
    generator.next = generator.items.size();
    charge(rest.size());
    return rest;
  }
  fail("'" + value.type_name() + "' object is not iterable");
}

Runtime::Nesting::Nesting(Runtime& runtime) : runtime_(runtime) {
  if (runtime.depth_ >= runtime.limits_.depth)
    runtime.fail("the template is nested, or calls itself, too deeply");
  ++runtime.depth_;
}

void TextBuilder::append(std::string_view text) {
  if (text.size() > runtime_.limits().text - text_.size()) runtime_.charge_text(runtime_.limits().text + 1);
  runtime_.charge(text.size() + 4);
  text_.append(text);
}

void TextBuilder::repeat(std::string_view text, int64_t count) {
  if (count <= 0 || text.empty()) return;
  const size_t room = runtime_.limits().text - text_.size();
  if (static_cast<uint64_t>(count) > room / text.size()) runtime_.charge_text(runtime_.limits().text + 1);
  runtime_.charge(text.size() * static_cast<uint64_t>(count));
  text_.reserve(text_.size() + text.size() * static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) text_.append(text);
}

}  // namespace caldera::text::jinja
