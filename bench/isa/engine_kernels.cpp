#include "engine_kernels.hpp"

#include <fmt/format.h>

#include <array>
#include <set>
#include <utility>

#include "assembly.hpp"
#include "kernels/product_candidates.hpp"
#include "quant/file_layout.hpp"

namespace caldera::isa {
namespace {

using kernels::Epilogue;
using kernels::Input;
using kernels::Kernels;
using kernels::Storage;

/// Addresses of nothing: one for each operand, far enough apart that none overlap.
constexpr uint64_t address(uint64_t operand) {
  return operand << 32;
}
constexpr vulkan::Range range(uint64_t operand) {
  return {address(operand), uint64_t{1} << 30};
}
constexpr uint64_t kBatch = address(100);

constexpr uint32_t kWidth = 4096;
constexpr uint32_t kVocabulary = 128256;
constexpr float kEpsilon = 1e-5F;
constexpr uint32_t kPromptColumns = 512;

kernels::Matrix matrix(quant::Format format, Storage storage, uint32_t rows) {
  kernels::Matrix matrix;
  matrix.format = format;
  matrix.rows = rows;
  matrix.columns = kWidth;
  matrix.storage = storage;
  matrix.layout =
      storage == Storage::kFile ? quant::file_layout(format, kWidth) : quant::row_layout(format, kWidth);
  matrix.segments = {{address(1), 0, rows}};
  return matrix;
}

std::string input_text(kernels::Input input, uint32_t columns) {
  const char* const kind = input == kernels::Input::kInt8     ? "int8 vector"
                           : input == kernels::Input::kNormed ? "vector to normalise"
                                                              : "f32 vector";
  return fmt::format("{} {}{}", columns, kind, columns == 1 ? "" : "s");
}

class Cases {
 public:
  std::vector<Case> take() { return std::move(cases_); }

  void add_weights() {
    for (const quant::FormatInfo& info : quant::formats()) {
      const bool blocks = info.block_elements > 1;
      for (const Storage storage : {Storage::kResident, Storage::kFile}) {
        if (storage == Storage::kFile && !blocks) continue;  // lies there as in memory
        add_embedding(info, storage);
        for (const uint32_t columns : {1U, 2U, 4U, 8U, kPromptColumns}) {
          add_products(info, storage, columns, Input::kF32);
          const bool vectors = blocks && storage == Storage::kResident;
          if (vectors) add_products(info, storage, columns, Input::kInt8);
          if (vectors && columns == 1) add_products(info, storage, columns, Input::kNormed);
        }
      }
    }
  }

  void add_choices() {
    for (const quant::FormatInfo& info : quant::formats()) {
      if (info.block_elements == 1) continue;
      for (const uint32_t columns : {1U, kernels::kMaxVectorColumns}) {
        for (const uint32_t rows : {1U, 2U, 4U, 8U}) {
          for (const uint32_t unroll : {1U, 2U, 4U}) add_choice(info, columns, rows, unroll);
        }
      }
      // Some of those that int8_tiles() counts up.
      for (const kernels::Int8Tile& tile :
           {kernels::Int8Tile{64, 8, 2, 8, 8, 4, 1}, kernels::Int8Tile{64, 8, 2, 8, 4, 4, 1},
            kernels::Int8Tile{128, 8, 4, 8, 4, 4, 1}, kernels::Int8Tile{64, 8, 4, 4, 4, 4, 1}}) {
        add_tile(info, kernels::kMaxVectorColumns, tile);
      }
      for (const kernels::Int8Tile& tile :
           {kernels::Int8Tile{64, 64, 4, 8, 4, 1, 1}, kernels::Int8Tile{64, 64, 4, 8, 2, 1, 1},
            kernels::Int8Tile{128, 64, 8, 4, 2, 1, 1}, kernels::Int8Tile{64, 64, 4, 4, 4, 1, 1}}) {
        add_tile(info, kPromptColumns, tile);
      }
    }
  }

  void add_rows() {
    for (const bool gather : {false, true}) {
      const std::string what = gather ? "norm of outputs" : "norm";
      add(what, 1, true, kernels::Norm{range(2), address(3), range(4), kWidth, kEpsilon, gather});
      add(what + ", int8", 1, true,
          kernels::Norm{range(2), address(3), {}, kWidth, kEpsilon, gather, range(4)});
    }
    add("swiglu", 1, true, kernels::SwiGlu{range(2), range(3), range(4), kWidth});
    add("swiglu, int8", 1, true, kernels::SwiGlu{range(2), range(3), {}, kWidth, range(4)});
    add("sample", 1, true, kernels::Sample{range(2), address(5), address(6), kVocabulary});
  }

  /// `splits`: parts that attention of one token is split into.
  void add_attention(const char* model, uint32_t heads, uint32_t kv_heads, uint32_t head, bool neox,
                     bool norms, plan::KvFormat keys = plan::KvFormat::kF16,
                     plan::KvFormat values = plan::KvFormat::kF16) {
    const kernels::AttentionShape shape{heads, kv_heads, head, 0, 1 << 20, 0, keys, values};
    const kernels::Rope rope{shape,
                             range(2),
                             address(3),
                             norms ? address(7) : 0,
                             norms ? address(8) : 0,
                             address(9),
                             range(10),
                             head,
                             neox,
                             kEpsilon,
                             0.1F};
    const kernels::Attention attention{shape, range(2), range(4), range(5), address(9), range(10)};
    add(fmt::format("rope, {}", model), 1, true, rope);
    for (const uint32_t splits : {1U, 16U}) {
      const std::string shaped = fmt::format("{}, {}", model, splits == 1 ? "whole" : "split");
      add("attention, " + shaped, 1, true, attention, splits);
      kernels::DecodeAttention both{rope, attention, range(11), range(12)};
      both.attention.out = {};
      add("decode attention, " + shaped, 1, true, both, splits);
    }
    add(fmt::format("attention, {}, prompt", model), kPromptColumns, false, attention);
  }

 private:
  template <class Operation>
  void add(std::string what, uint32_t columns, bool decoding, Operation operation, uint32_t splits = 1) {
    Case one;
    one.what = std::move(what);
    one.columns = columns;
    one.decoding = decoding;
    one.record = [=](Kernels& kernels, vulkan::Recording& recording) {
      kernels.record({&recording, kBatch, columns, decoding, splits}, operation);
    };
    cases_.push_back(std::move(one));
  }

  void add_embedding(const quant::FormatInfo& info, Storage storage) {
    const kernels::Matrix table = matrix(info.format, storage, kVocabulary);
    Case one;
    one.what = "embedding";
    one.decoding = true;
    one.main = storage == Storage::kResident;
    one.format = info.format;
    one.record = [=](Kernels& kernels, vulkan::Recording& recording) {
      kernels.record({&recording, kBatch, 1, true, 1}, kernels::Embed{&table, range(2)});
    };
    cases_.push_back(std::move(one));
  }

  /// Works on what `weights` is while it is recorded.
  static kernels::Product product(const kernels::Matrix& weights, Input input, Epilogue epilogue) {
    kernels::Product product{};
    product.weights = &weights;
    product.x = range(2);
    product.out = range(3);
    product.out_stride = weights.rows;
    product.epilogue = epilogue;
    product.input = input;
    product.out_norm = address(4);
    product.epsilon = kEpsilon;
    if (input != Input::kF32 && epilogue == Epilogue::kSwiGlu) product.out_int8 = range(3);
    if (input == Input::kInt8 && epilogue == Epilogue::kAdd) product.out_int8 = range(5);
    return product;
  }

  void add_tile(const quant::FormatInfo& info, uint32_t columns, const kernels::Int8Tile& tile) {
    const kernels::Matrix weights = matrix(info.format, Storage::kResident, 2 * kWidth);
    Case one;
    one.what = fmt::format("product of {}, tiles of {}x{}, {}x{} a lane, {} units, {} slices",
                           input_text(Input::kInt8, columns), tile.rows, tile.columns, tile.lane_rows,
                           tile.lane_columns, tile.units, tile.slices);
    one.columns = columns;
    one.format = info.format;
    one.input = Input::kInt8;
    one.record = [=](Kernels& kernels, vulkan::Recording& recording) {
      const kernels::ProductKey key{weights.format, weights.rows, weights.columns, columns};
      const kernels::ProductChoice choice{.tile = tile};
      if (!kernels::possible(choice, key, kernels.workgroup_limits())) return;
      kernels.choose(key, choice);
      kernels.record({&recording, kBatch, columns, false, 1},
                     product(weights, Input::kInt8, Epilogue::kStore));
    };
    cases_.push_back(std::move(one));
  }

  void add_choice(const quant::FormatInfo& info, uint32_t columns, uint32_t rows, uint32_t unroll) {
    const kernels::Matrix weights = matrix(info.format, Storage::kResident, 2 * kWidth);
    Case one;
    one.what =
        fmt::format("product of {}, {} rows, {} loads", input_text(Input::kInt8, columns), rows, unroll);
    one.decoding = true;
    one.columns = columns;
    one.format = info.format;
    one.input = Input::kInt8;
    one.record = [=](Kernels& kernels, vulkan::Recording& recording) {
      const kernels::ProductKey key{weights.format, weights.rows, weights.columns, columns};
      kernels::ProductChoice choice = kernels.choice(key);
      choice.units.reset();
      choice.rows = rows;
      choice.unroll = unroll;
      if (!kernels::possible(choice, key, kernels.workgroup_limits())) return;
      kernels.choose(key, choice);
      kernels.record({&recording, kBatch, columns, true, 1},
                     product(weights, Input::kInt8, Epilogue::kStore));
    };
    cases_.push_back(std::move(one));
  }

  /// With each of its ends.
  void add_products(const quant::FormatInfo& info, Storage storage, uint32_t columns, Input input) {
    constexpr std::array kEnds = {"store", "add", "swiglu"};
    const kernels::Matrix weights = matrix(info.format, storage, 2 * kWidth);
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
      if (storage == Storage::kFile && epilogue == Epilogue::kSwiGlu) continue;  // see kernels::Matrix
      Case one;
      one.what =
          fmt::format("product of {}, {}", input_text(input, columns), kEnds[static_cast<size_t>(epilogue)]);
      one.decoding = columns <= kernels::kMaxVectorColumns;
      one.main =
          storage == Storage::kResident && epilogue == Epilogue::kStore && columns != 2 && columns != 4;
      one.columns = columns;
      one.format = info.format;
      one.input = input;
      one.record = [=, decoding = one.decoding](Kernels& kernels, vulkan::Recording& recording) {
        kernels.record({&recording, kBatch, columns, decoding, 1}, product(weights, input, epilogue));
      };
      cases_.push_back(std::move(one));
    }
  }

  std::vector<Case> cases_;
};

/// Weights a lane takes in one turn of the loop over a row's columns.
double weights_a_turn(const CompiledPipeline& compiled, uint32_t columns) {
  // Integer dot products tell it themselves: each is of four weights with one column.
  if (compiled.name.starts_with("matvec_int8")) {
    const auto loop = hot_loop(compiled.assembly);
    return loop ? 4.0 * loop->mix.dot4 / columns : 0;
  }
  if (!compiled.name.starts_with("matvec")) return 0;
  return compiled.constants.at(2) * double{quant::kGroup};  // ROWS rows, a group of each: glsl/matvec.comp
}

}  // namespace

std::vector<Case> engine_cases() {
  Cases cases;
  cases.add_weights();
  cases.add_rows();
  cases.add_attention("Llama 8B", 32, 8, 128, false, false);
  cases.add_attention("Llama 70B", 64, 8, 128, false, false);
  cases.add_attention("Llama 405B", 128, 8, 128, false, false);
  cases.add_attention("Llama 1B", 32, 8, 64, false, false);
  cases.add_attention("Qwen3 30B", 32, 4, 128, true, true);
  constexpr auto kQ8_0 = plan::KvFormat::kQ8_0;
  constexpr auto kQ4_0 = plan::KvFormat::kQ4_0;
  cases.add_attention("Llama 8B, KV q8_0", 32, 8, 128, false, false, kQ8_0, kQ8_0);
  cases.add_attention("Llama 8B, KV q4_0", 32, 8, 128, false, false, kQ4_0, kQ4_0);
  cases.add_attention("Llama 8B, K q8_0, V q4_0", 32, 8, 128, false, false, kQ8_0, kQ4_0);
  cases.add_attention("Llama 405B, KV q8_0", 128, 8, 128, false, false, kQ8_0, kQ8_0);
  cases.add_attention("Llama 1B, KV q8_0", 32, 8, 64, false, false, kQ8_0, kQ8_0);
  return cases.take();
}

double bytes_a_weight(quant::Format format) {
  constexpr double kRow = 4096;
  return quant::row_layout(format, static_cast<uint64_t>(kRow)).row_bytes / kRow;
}

std::vector<Case> choice_cases() {
  Cases cases;
  cases.add_choices();
  return cases.take();
}

std::vector<Kernel> compile(vulkan::Device& device, const std::vector<Case>& cases) {
  std::vector<Kernel> compiled;
  std::set<std::pair<std::string, std::vector<uint32_t>>> seen;
  for (const Case& one : cases) {
    vulkan::PipelineStore pipelines(device, {});
    kernels::Kernels kernels(device, pipelines);
    vulkan::Recording recording(device);
    one.record(kernels, recording);
    recording.finish();
    for (const vulkan::Pipeline* pipeline : pipelines.all()) {
      if (!seen.emplace(pipeline->name, pipeline->constants).second) continue;
      Kernel kernel{one, inspect(device, *pipeline), 0};
      kernel.weights_a_turn = weights_a_turn(kernel.compiled, one.columns);
      compiled.push_back(std::move(kernel));
    }
  }
  return compiled;
}

}  // namespace caldera::isa
