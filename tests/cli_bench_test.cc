// thex bench: the shape of its output, and what it refuses.
#include <set>

#include "tests/support/cli_world.h"

namespace thex::testing {
namespace {

const CliWorld& world() { return CliWorld::instance(); }

TEST(Bench, JsonHasEveryRowWithItsBound) {
  const Finished f = world().thex({"bench", "--quick", "--json", "--filter", "2^14", "--threads", "2"});
  ASSERT_EQ(f.status, 0) << f.errors;
  EXPECT_EQ(count_lines(f.output), 1u);
  const Json json = Json::parse(f.output);
  EXPECT_FALSE(json.at("machine").get<std::string>().empty());
  EXPECT_GE(json.at("cores").get<int>(), 1);
  const auto isa = json.at("isa").get<std::string>();
  EXPECT_TRUE(isa == "avx512ifma" || isa == "avx2" || isa == "portable") << isa;
  std::set<std::string> names;
  for (const Json& row : json.at("benchmarks")) {
    names.insert(row.at("name").get<std::string>());
    EXPECT_EQ(row.at("log_n").get<int>(), 14);
    EXPECT_EQ(row.at("threads").get<int>(), 1);
    const double seconds = row.at("seconds"), bound = row.at("bound_seconds"), median = row.at("median_seconds");
    EXPECT_GT(bound, 0);
    EXPECT_GT(seconds, 0.3 * bound) << row << ": no operation is that much faster than its bound";
    EXPECT_LE(seconds, median) << row;
    EXPECT_LT(seconds, 10) << row;
    EXPECT_GE(row.at("runs").get<int>(), 3) << row;
    EXPECT_GT(row.at("pool_bytes").get<double>(), 1e5) << row;
    EXPECT_GE(row.at("pool_peak_bytes").get<double>(), row.at("pool_bytes").get<double>()) << row;
    EXPECT_LE(row.at("pool_peak_bytes").get<double>(), json.at("memory").at("pool_peak_bytes").get<double>()) << row;
    const std::string name = row.at("name");
    EXPECT_EQ(row.at("limbs").get<int>(), name.starts_with("ntt") ? 1 : name.starts_with("refresh") ? 8 : 7) << row;
  }
  EXPECT_EQ(names, (std::set<std::string>{"ntt_forward", "ntt_inverse", "encode", "rotate", "rotate_hoisted",
                                          "rotate_in_transform", "multiply_relinearize", "rescale", "multiply_plain",
                                          "add", "refresh_mask", "refresh_client_turn", "refresh_unmask"}));
  const Json& memory = json.at("memory");
  EXPECT_GT(memory.at("pool_peak_bytes").get<double>(), 1e6);
  EXPECT_GE(memory.at("process_peak_bytes").get<double>(), memory.at("pool_peak_bytes").get<double>());
  // Progress is for people, on the other stream.
  EXPECT_NE(f.errors.find("ntt_forward/2^14/1"), std::string::npos) << f.errors;
}

TEST(Bench, TableOnStdout) {
  const Finished f = world().thex({"bench", "--quick", "--filter", "ntt_forward/2^14"});
  ASSERT_EQ(f.status, 0) << f.errors;
  EXPECT_NE(f.output.find("bound ms"), std::string::npos) << f.output;
  EXPECT_NE(f.output.find("ntt_forward"), std::string::npos) << f.output;
  EXPECT_EQ(f.output.find("ntt_inverse"), std::string::npos) << f.output;
}

TEST(Bench, ThreadsHaveAnEfficiency) {
  const Finished f = world().thex({"bench", "--quick", "--json", "--threads", "2", "--filter", "rotate_batch_8/2^15"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json rows = Json::parse(f.output).at("benchmarks");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("threads"), 1);
  EXPECT_FALSE(rows[0].contains("efficiency"));
  EXPECT_EQ(rows[1].at("threads"), 2);
  EXPECT_DOUBLE_EQ(rows[1].at("efficiency").get<double>(),
                   rows[0].at("seconds").get<double>() / (2 * rows[1].at("seconds").get<double>()));
  EXPECT_GT(rows[1].at("cpu_efficiency").get<double>(), 0.2);
}

TEST(Bench, PlaintextsOfMatrices) {
  const Finished f = world().thex({"bench", "--quick", "--json", "--filter", "matrix_128"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json rows = Json::parse(f.output).at("benchmarks");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("name"), "matrix_128_periodic");
  // A period of 256 slots instead of 16384.
  EXPECT_EQ(64 * rows[0].at("plaintext_bytes").get<std::size_t>(), rows[1].at("plaintext_bytes").get<std::size_t>());
}

// What is measured is what inspect states from then on, and the plan stays as it was: the other side measures other
// times.
TEST(Bench, CalibrationSetsTheSecondsOfInspect) {
  const auto inspected = [] { return Json::parse(world().thex({"inspect", "--json"}).output); };
  const Json before = inspected();
  EXPECT_EQ(before.at("seconds"), "assumed");
  const Finished f = world().thex({"bench", "--calibrate", "--quick", "--json"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json factors = Json::parse(f.output).at("factors");
  EXPECT_EQ(factors.size(), 5u);
  double least = 1e9, most = 0;
  for (const auto& [name, factor] : factors.items()) {
    EXPECT_GT(factor.get<double>(), 0.05) << name;
    EXPECT_LT(factor.get<double>(), 200) << name;
    least = std::min(least, factor.get<double>()), most = std::max(most, factor.get<double>());
  }
  const Json after = inspected();
  EXPECT_EQ(after.at("seconds"), "measured");
  EXPECT_EQ(after.at("plan"), before.at("plan"));
  for (std::size_t i = 0; i < before.at("buckets").size(); ++i) {
    const Json& bucket = after.at("buckets")[i];
    EXPECT_EQ(bucket.at("estimated_seconds"), before.at("buckets")[i].at("estimated_seconds"));
    const double ratio = bucket.at("seconds").get<double>() / bucket.at("estimated_seconds").get<double>();
    EXPECT_GE(ratio, least) << i;
    EXPECT_LE(ratio, most) << i;
  }
  const std::filesystem::path file = Json::parse(f.output).at("file").get<std::string>();
  write_file_atomically(file, std::string("{\"machine\":\"another\",\"isa\":\"avx2\"}"));
  EXPECT_EQ(inspected().at("seconds"), "assumed");
  write_file_atomically(file, std::string("[1"));
  expect_error(world().thex({"inspect", "--json"}), ErrorCode::model, "machine_costs.json");
  std::filesystem::remove(file);
}

TEST(Bench, RefusesUnknownFilters) {
  const Finished f = world().thex({"bench", "--filter", "bootstrap"});
  expect_error(f, ErrorCode::usage, "bootstrap");
  EXPECT_NE(f.errors.find("rotate_hoisted"), std::string::npos) << "names what there is: " << f.errors;
  expect_error(world().thex({"bench", "--threads", "0"}), ErrorCode::usage, "--threads");
}

}  // namespace
}  // namespace thex::testing
