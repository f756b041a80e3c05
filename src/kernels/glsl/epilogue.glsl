// What is done with a product before it is stored.
const uint kStore = 0;   // out = value
const uint kAdd = 1;     // out += value: the residual stream
const uint kSwiGlu = 2;  // rows alternate gate and up: out[row / 2] = silu(gate) * up
const uint kSwiGluInt8 = 3;  // the same, as int8 vectors
const uint kAddInt8 = 4;     // as kAdd, and besides what it is then times the weights of a norm, as int8 vectors

float silu(float x) { return x / (1 + exp(-x)); }
