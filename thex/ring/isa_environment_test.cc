// Part of every test program that CTest runs once for each instruction set (thex_test_each_isa): THEX_ISA must have
// chosen the kernels, and a processor without them skips the program (status 77, which CTest knows).
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "thex/ring/kernels.h"

namespace thex::ring {
namespace {

class SkipOtherProcessors : public ::testing::Environment {
  void SetUp() override {
    const char* const wanted = std::getenv("THEX_ISA");
    if (wanted == nullptr) return;
    for (const auto& [name, isa] : {std::pair("avx2", Isa::avx2), std::pair("avx512ifma", Isa::avx512ifma)}) {
      if (std::string(wanted) == name && kernels_for(isa) == nullptr) {
        std::printf("this processor or this build has no %s kernels\n", name);
        std::exit(77);
      }
    }
  }
};
[[maybe_unused]] const auto* const environment = ::testing::AddGlobalTestEnvironment(new SkipOtherProcessors);

TEST(InstructionSet, IsTheOneAskedFor) {
  const char* const wanted = std::getenv("THEX_ISA");
  if (wanted == nullptr || *wanted == '\0') GTEST_SKIP() << "THEX_ISA is not set: " << kernels().name;
  EXPECT_STREQ(kernels().name, wanted);
  const Kernels* const table = kernels_for(kernels().isa);
  EXPECT_EQ(table, &kernels());
}

}  // namespace
}  // namespace thex::ring
