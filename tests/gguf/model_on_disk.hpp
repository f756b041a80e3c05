// A model of random bytes in some files, for tests of the ways to read it.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "gguf/file.hpp"
#include "gguf/writer.hpp"
#include "temporary_folder.hpp"

namespace caldera::gguf {

struct ModelOnDisk {
  /// Tensors of about 1 MB, 600 kB, ... and an odd tail, so that the files end on no page.
  explicit ModelOnDisk(const std::filesystem::path& parent = std::filesystem::temp_directory_path(),
                       uint32_t splits = 1)
      : folder(parent), file(File::open(write(splits))) {
    for (const std::filesystem::path& path : file.paths()) {
      std::ifstream stream(path, std::ios::binary);
      contents.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
  }

  /// Makes a file of the set shorter, behind the back of whoever has it open.
  void shorten(uint32_t index, uint64_t bytes) const {
    std::filesystem::resize_file(file.paths()[index], bytes);
  }

  /// Writes a byte into a file of the set. Its time is set apart from the old one: the clock of file systems
  /// may stand still for some milliseconds.
  void change(uint32_t index) const {
    const std::filesystem::path& path = file.paths()[index];
    const auto before = std::filesystem::last_write_time(path);
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(-1, std::ios::end).put('!');
    std::filesystem::last_write_time(path, before + std::chrono::seconds(1));
  }

  TemporaryFolder folder;
  File file;
  std::vector<std::string> contents;  ///< of each file

 private:
  std::filesystem::path write(uint32_t splits) const {
    std::mt19937 random(11);
    Writer writer;
    writer.set("general.architecture", "llama");
    for (const uint64_t elements : {262144, 150001, 8, 33333, 100003}) {
      std::vector<std::byte> data(elements * 4);
      for (std::byte& byte : data) byte = static_cast<std::byte>(random());
      writer.add("tensor" + std::to_string(elements), quant::Format::kF32, {elements}, std::move(data));
    }
    return writer.write(folder.path() / "model.gguf", splits);
  }
};

}  // namespace caldera::gguf
