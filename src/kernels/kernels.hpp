// The typed operations a model's program is made of, one for each family of kernels, and how each is
// dispatched.
//
// Shapes are written (outer, inner); all activations are f32. `columns` is the number of vectors a recording
// is made for: tokens of the batch, or outputs. Kernels skip what is beyond the batch's own counts, so a
// recording for 64 columns serves a batch of 37.
//
// Where the device has integer dot products, decoding takes activations as int8 vectors: codes of 8 bits with
// a scale for each 32, plan::int8_vector_bytes(columns) a vector. Their layout: glsl/int8_vector.glsl.
//
// Where the device has matrix units, products of many vectors take activations as f16: rounded as they are
// loaded, or held so (Input::kHalf). What is beyond 65504 becomes 65504; activations that may be larger are
// held times a power of two (Product::half_scale).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "kernels/decode_attention.hpp"
#include "kernels/matrix_tiles.hpp"
#include "kernels/product_choice.hpp"
#include "kernels/prompt_attention.hpp"
#include "kernels/shaders.hpp"
#include "plan/working_memory.hpp"
#include "quant/format.hpp"
#include "quant/resident.hpp"
#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"
#include "vulkan/recording.hpp"

namespace caldera::kernels {

using vulkan::Range;

/// Rows of a weight matrix that lie together in memory.
struct Segment {
  uint64_t address = 0;
  uint32_t first_row = 0;
  uint32_t rows = 0;
};

/// A weight matrix (rows, columns), in as many segments as the device's limits ask for.
///
/// `layout` is quant::row_layout() or quant::file_layout(), as `storage` says. In the file's storage a
/// segment begins at a multiple of quant::file_alignment(); a file has no alternating gate and up rows, so
/// Epilogue::kSwiGlu is not for its matrices: take the operation SwiGlu.
struct Matrix {
  quant::Format format = quant::Format::kF32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  Storage storage = Storage::kResident;
  quant::RowLayout layout;
  std::vector<Segment> segments;
};

/// Which of the batch's counts an operation's columns are.
enum class Count : uint32_t { kTokens = 0, kOutputs = 1 };

/// x[t] = table[token of entry t]; x (tokens, columns).
struct Embed {
  const Matrix* table;
  Range x;
};

/// out[c] = RMS norm of x[c] times weight; with `gather`, of x[output_index[c]]. x, out (c, width); weight
/// (width).
struct Norm {
  Range x;
  uint64_t weight;
  Range out;  ///< no bytes: not wanted
  uint32_t width;
  float epsilon;
  bool gather;
  Range out_int8{};    ///< for products with Input::kNormed; no bytes: not wanted
  uint32_t terms = 1;  ///< int8 vectors for each of x: see Product
  bool half = false;   ///< `out` is f16
};

/// What happens to a product: stored, added to what is there, or silu(even rows) * odd rows.
enum class Epilogue : uint32_t { kStore = 0, kAdd = 1, kSwiGlu = 2 };

/// How a product takes its activations. Int8 vectors: weights in blocks and in resident storage.
enum class Input : uint32_t {
  kF32,
  kInt8,    ///< int8 vectors
  kHalf,    ///< f16, times half_scale: on matrix units, for more than kMaxVectorColumns columns
  kNormed,  ///< int8 vectors of x times a norm's weights: the product divides by the root mean square of x
};

/// out[c][first_output + r] = weights[r] . x[c] (+ bias[r]). x (c, weights->columns); out (c, out_stride).
struct Product {
  const Matrix* weights;
  Range x;
  Range out;
  uint32_t out_stride;
  uint32_t first_output;
  uint64_t bias;  ///< (rows) f32, or 0
  Epilogue epilogue;
  Count count;
  Input input = Input::kF32;
  /// Not with kF32. kSwiGlu: the result as int8 vectors instead of `out`. kAdd: besides, int8 vectors of what
  /// `out` is then, times `out_norm` (rows) f32, for products with kNormed. No bytes: not wanted.
  Range out_int8{};
  uint64_t out_norm = 0;
  float epsilon = 0;  ///< of the norm, with kNormed
  /// Not with kF32. 2: each x is the sum of two neighbouring int8 vectors, the second of which holds what the
  /// codes of the first leave; up to Kernels::most_sum_columns() columns, kStore.
  uint32_t terms = 1;
  /// Runs beside the operation before it: they write different outputs of one buffer, from the same inputs.
  bool beside = false;
  /// A power of two that x is multiplied by before it is rounded to f16 on matrix units, or was with kHalf.
  float half_scale = 1;
  bool half_out = false;  ///< `out` is f16, times kHiddenScale: of kSwiGlu on matrix units
  /// Scratch of products on matrix units whose columns are cut into parts: sums (parts, tokens, rows of
  /// `out`) f32, found by the rows of the results, so that products beside each other may share it; and
  /// counters, zero before and after. No bytes: the columns are one part.
  Range part_sums{};
  Range part_counters{};
};

/// Between the feed-forward matrices activations of some models pass 65504: as f16 they are held times this.
/// So up to 2 million is exact to 11 bits, and the smallest step, 2^-24 of f16, is 2e-6: below the rounding
/// of activations whose root mean square is 0.01.
inline constexpr float kHiddenScale = 1.0F / 32;

/// The key of a product of `columns` vectors of activations.
ProductKey key_of(const Product& product, uint32_t columns);
/// The key of a product of `tokens` vectors on matrix units.
MatrixKey matrix_key_of(const Product& product, uint32_t tokens);

/// How a layer's heads and KV memory are shaped.
struct AttentionShape {
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t head;                                   ///< dimensions of one head
  uint32_t layer_offset;                           ///< bytes from a page's start to this layer's keys
  uint32_t v_offset;                               ///< bytes from the layer's keys to its values
  uint32_t window;                                 ///< keys a query sees; 0: all
  plan::KvFormat k_format = plan::KvFormat::kF16;  ///< how rows lie in a page: glsl/kv_rows.glsl
  plan::KvFormat v_format = plan::KvFormat::kF16;
};

/// Normalises and rotates queries and keys in qkv (tokens, (heads + 2 kv_heads) * head), writes K and V
/// pages.
struct Rope {
  AttentionShape shape;
  Range qkv;
  uint64_t table;       ///< cos and sin, see glsl/rope.glsl
  uint64_t query_norm;  ///< (head) f32, or 0
  uint64_t key_norm;    ///< (head) f32, or 0
  uint64_t page_tables;
  Range kv;  ///< stands for all KV memory, for barriers
  uint32_t rotated;
  bool neox;
  float epsilon;
  float query_scale;
};

/// Moves the keys of whole pages, of `layers` layers of one shape, back to earlier positions by turning them;
/// see glsl/rope_shift.comp. The target's batch is not looked at.
struct RopeShift {
  AttentionShape shape;  ///< of the first layer
  uint32_t layers;
  uint32_t layer_bytes;  ///< from one layer to the next in a page
  uint32_t rotated;
  bool neox;
  Range kv;
  uint64_t turn = 0;   ///< model::rope_turn() as f32
  uint64_t moves = 0;  ///< (pages) PageMove
  uint32_t pages = 0;
};

/// out (tokens, heads * head) = attention of the queries in qkv over the sequence's pages.
struct Attention {
  AttentionShape shape;
  Range qkv;
  Range out;
  Range parts;  ///< scratch for split attention: (tokens, heads, kMaxSplits, head + 2)
  uint64_t page_tables;
  Range kv;
  bool half_out = false;  ///< `out` is f16
};

/// Rotation, KV memory and attention of one token a sequence in one dispatch: what Rope and Attention do one
/// after the other (`attention.shape` is `rope.shape`), but qkv stays as it was.
struct DecodeAttention {
  Rope rope;
  Attention attention;  ///< `out`, no bytes: not wanted
  Range out_int8;       ///< the same as int8 vectors, where head is a multiple of 32; no bytes: not wanted
  Range counters;       ///< (tokens, heads) u32, zero before and after: parts that are done
};

/// out = x (tokens, width) as int8 vectors, width a multiple of 32.
struct Quantize {
  Range x;
  Range out;
  uint32_t width;
};

/// out = silu(gate) * up, all (tokens, width).
struct SwiGlu {
  Range gate;
  Range up;
  Range out;  ///< no bytes: not wanted
  uint32_t width;
  Range out_int8{};   ///< the same as int8 vectors; no bytes: not wanted
  bool half = false;  ///< `out` is f16, times kHiddenScale
};

/// Draws the next token of every output; logits (outputs, vocabulary).
struct Sample {
  Range logits;
  uint64_t decode_batch;
  uint64_t slots;
  uint32_t vocabulary;
  /// plan::sampler_bytes(), of which the first plan::kSamplerCounterBytes are zero before and after.
  Range scratch;
  uint32_t threads = 0;  ///< of a workgroup: a power of two, 32 to the device's limit; 0: as suits the device
};

/// Parts that attention of one token may be split into.
inline constexpr uint32_t kMaxSplits = 64;
/// Rows of gate and up that one unit of an int8 vector is made of; segments hold a whole number of them.
inline constexpr uint32_t kMostUnitRows = 64;
/// Columns up to which products read the weights once for all of them.
inline constexpr uint32_t kMaxVectorColumns = 8;
/// Columns of products whose activations are sums of two int8 vectors, where integers are multiplied.
inline constexpr uint32_t kMaxSumColumns = kMaxVectorColumns / 2;

/// Dispatches operations on one device. Outlives the recordings that it made: they read its tables.
class Kernels {
 public:
  /// Errors: kDevice when the device's subgroups are too wide.
  Kernels(vulkan::Device& device, vulkan::PipelineStore& pipelines);

  /// What a recording is made for.
  struct Target {
    vulkan::Recording* recording;
    uint64_t batch;       ///< address of the BatchHead
    uint32_t columns;     ///< most tokens (or outputs) of the batch
    bool one_token_each;  ///< entries belong to different sequences (decoding)
    uint32_t splits;      ///< parts that attention is split into
  };

  void record(const Target& target, const Embed& op);
  void record(const Target& target, const Norm& op);
  void record(const Target& target, const Product& op);
  void record(const Target& target, const Rope& op);
  void record(const Target& target, const RopeShift& op);
  void record(const Target& target, const Attention& op);
  void record(const Target& target, const DecodeAttention& op);
  void record(const Target& target, const Quantize& op);
  void record(const Target& target, const SwiGlu& op);
  void record(const Target& target, const Sample& op);

  /// Whether products with this matrix can take int8 vectors, and whether they can make them.
  static bool takes_int8(const Matrix& matrix);
  static bool makes_int8(const Matrix& matrix, Epilogue epilogue);
  /// Whether products of any number of int8 vectors can be made on this device, and nothing is better at
  /// those of many.
  bool reads_int8() const;
  /// Whether decoding is best done with int8 vectors on this device.
  bool prefers_int8() const { return prefers_int8_; }
  /// What to do with the products of int8 vectors of this key from now on.
  void choose(const ProductKey& key, const ProductChoice& choice) { choices_[key] = choice; }
  ProductChoice choice(const ProductKey& key) const;
  /// Compiles what a product of int8 vectors needs with `choice`, so that recording it later takes no time.
  /// Several threads may do so at once.
  void prepare(const Product& op, uint32_t columns, const ProductChoice& choice) {
    int8_pipeline(op, key_of(op, columns), choice);
  }
  WorkgroupLimits workgroup_limits() const {
    return {subgroup_, max_threads_, max_shared_,
            uses_matrix_units() ? units_.shapes : std::vector<UnitShape>(),
            uses_matrix_units() ? fragments_ : std::optional<FragmentLayout>()};
  }

  /// When products use the kernel that tiles rows and columns instead of the one that streams rows.
  enum class Tiles { kAuto, kAlways, kNever };
  void set_tiles(Tiles tiles) { tiles_ = tiles; }
  /// Whether products multiply signed with unsigned bytes: any device can, some are as fast at it.
  void set_mixed_dot(bool mixed) { mixed_dot_ = mixed; }

  /// Whether products of more than kMaxVectorColumns columns run on matrix units: where the device has them
  /// and is no software device, unless told otherwise. Without such units, never.
  enum class MatrixUse { kAuto, kAlways, kNever };
  void use_matrix_units(MatrixUse use);
  bool uses_matrix_units() const;
  /// Columns of products whose activations are sums of two int8 vectors.
  uint32_t most_sum_columns() const { return uses_matrix_units() ? kMaxVectorColumns : kMaxSumColumns; }
  /// Whether a product of `columns` vectors of floats does: of outputs all that are more than kMaxSumColumns,
  /// because a large matrix is read for them, which in f32 is limited by arithmetic.
  bool multiplies_on_units(const Product& op, uint32_t columns) const {
    return uses_matrix_units() &&
           columns > (op.count == Count::kOutputs ? kMaxSumColumns : kMaxVectorColumns);
  }
  const MatrixUnits& matrix_units() const { return units_; }
  /// What to do with the products on matrix units of this key from now on.
  void choose(const MatrixKey& key, const MatrixTiles& tiles) { matrix_tiles_[key] = tiles; }
  MatrixTiles tiles(const MatrixKey& key) const;
  /// Compiles what a product on matrix units needs with `tiles`. Several threads may do so at once.
  void prepare(const Product& op, const MatrixTiles& tiles) { matrix_pipeline(op, tiles); }

  /// How DecodeAttention cuts `shape` up; and how it is to cut up all from now on, nothing: as usual.
  DecodeAttentionSizes decode_attention_sizes(const AttentionShape& shape) const;
  void set_decode_attention_sizes(std::optional<DecodeAttentionSizes> sizes) { decode_attention_ = sizes; }
  /// Workgroups of DecodeAttention for one token and one part.
  uint32_t decode_attention_groups(const AttentionShape& shape) const;
  /// Sizes for one sequence whose keys are one part, where `usual` are those for any.
  DecodeAttentionSizes sizes_of_few_keys(const AttentionShape& shape,
                                         const DecodeAttentionSizes& usual) const;

  /// How attention over prompts cuts up `tokens` of one sequence; and how it is to do so from now on,
  /// nothing: as usual.
  PromptAttention prompt_attention(const AttentionShape& shape, uint32_t tokens) const;
  void set_prompt_attention(std::optional<PromptAttention> sizes) { prompt_attention_ = sizes; }
  /// Parts that attention of `tokens` of one sequence is best split into, for contexts up to `context`, as
  /// far as `parts` of a program has room.
  uint32_t prompt_splits(const AttentionShape& shape, uint32_t tokens, uint32_t context) const;
  const AttentionUnits& attention_units() const { return attention_units_; }
  /// Asks the device how its lanes hold matrices (AttentionUnits::alike), where matrix units are used: what
  /// is recorded later is faster for it. Takes some milliseconds of the device.
  void ask_units();

  uint32_t subgroup() const { return subgroup_; }
  /// Parts that attention of one token is best split into on this device, for contexts up to `tokens`, when
  /// all tokens of the batch, of which there are no more, together take `groups` workgroups a part.
  uint32_t splits_for(uint32_t tokens, uint32_t groups) const;
  /// Parts that DecodeAttention is best split into, for one token of each of `sequences` whose contexts have
  /// up to `tokens`.
  uint32_t decode_splits(const AttentionShape& shape, uint32_t tokens, uint32_t sequences) const;

 private:
  /// How a product is cut into workgroups.
  struct ProductShape {
    bool tiles = false;                   ///< matmul instead of matvec
    uint32_t subgroups = 1;               ///< in a workgroup
    uint32_t rows = 0;                    ///< that a workgroup computes
    uint32_t columns = 0;                 ///< that a workgroup computes
    std::array<uint32_t, 2> constants{};  ///< the kernel's constants 2 and 3
  };
  ProductShape product_shape(uint32_t columns) const;
  /// How products of int8 vectors are cut into workgroups.
  struct Int8Groups {
    const vulkan::Pipeline* pipeline;
    uint32_t rows;     ///< that a workgroup computes
    uint32_t columns;  ///< workgroups beside each other in tiles; 0: one computes all columns
  };
  Int8Groups int8_groups(const Product& op, const ProductKey& key, uint32_t columns);
  void check_int8(const Product& op, uint32_t columns) const;
  void record_int8(const Target& target, const Product& op);
  void record_matrix(const Target& target, const Product& op);
  const vulkan::Pipeline& matrix_pipeline(const Product& op, const MatrixTiles& tiles);
  /// How many of the parts of `tiles` a product of `columns` vectors can be cut into.
  uint32_t matrix_parts(const Product& op, uint32_t columns, const MatrixTiles& tiles) const;
  void record_parts(const Target& target, const Attention& op);
  void merge_parts(const Target& target, const Attention& op);
  const vulkan::Pipeline& int8_pipeline(const Product& op, const ProductKey& key,
                                        const ProductChoice& chosen);
  /// How many subgroups make a workgroup: `most`, or fewer where the device's workgroups are smaller.
  uint32_t subgroups(uint32_t most) const;
  /// The address of the table of a format's grid (quant/codebook.hpp), taken to the device when it is first
  /// asked for; 0 for formats without.
  uint64_t grid(quant::Format format);
  const vulkan::Pipeline& pipeline(const vulkan::Shader& shader, std::vector<uint32_t> constants);

  vulkan::Device& device_;
  vulkan::PipelineStore& pipelines_;
  std::map<const uint32_t*, vulkan::Allocation> grids_;  ///< by their words on the host
  std::map<ProductKey, ProductChoice> choices_;          ///< where not the usual one
  bool prefers_int8_;                                    ///< integer dot products are instructions
  bool software_;                                        ///< Mesa's software device or another CPU
  uint32_t subgroup_;                                    ///< lanes
  uint32_t max_threads_;                                 ///< in a workgroup, a power of two
  uint32_t max_shared_;                                  ///< bytes a workgroup shares
  bool mixed_dot_;                                       ///< of signed and unsigned bytes too
  uint32_t max_groups_;                                  ///< in one dimension of a dispatch
  Tiles tiles_ = Tiles::kAuto;
  MatrixUnits units_;
  std::optional<FragmentLayout> fragments_;  ///< where units are used and lanes' elements are known
  MatrixUse matrix_use_ = MatrixUse::kAuto;
  std::map<MatrixKey, MatrixTiles> matrix_tiles_;  ///< where not the usual ones
  std::optional<DecodeAttentionSizes> decode_attention_;
  AttentionUnits attention_units_;
  std::optional<PromptAttention> prompt_attention_;
};

}  // namespace caldera::kernels
