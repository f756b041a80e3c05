// Expects a caldera::Error of one kind whose line says certain things.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "caldera/error.hpp"

namespace caldera::gguf {

template <class Act>
void expect_error(ErrorKind kind, std::initializer_list<std::string> said, Act act) {
  try {
    act();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(error.kind(), kind) << line;
    for (const std::string& words : said) EXPECT_THAT(line, ::testing::HasSubstr(words));
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  }
}

}  // namespace caldera::gguf
