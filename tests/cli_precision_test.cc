// thex precision: what it measures is what it predicts.
#include <cmath>

#include "tests/support/cli_world.h"

namespace thex::testing {
namespace {

const CliWorld& world() { return CliWorld::instance(); }

void expect_agreement(const Json& json) {
  EXPECT_EQ(json["security_bits"], 128);
  EXPECT_GE(json["operations"].size(), 6u);
  for (const Json& row : json["operations"]) {
    const std::string name = row["operation"];
    const Json &measured = row["measured"], &predicted = row["predicted"];
    EXPECT_LE(measured["min_bits"], measured["mean_bits"]) << name;
    EXPECT_LE(measured["mean_bits"], measured["max_bits"]) << name;
    EXPECT_NEAR(measured["mean_bits"], predicted["mean_bits"].get<double>(), 1.5) << name;
    EXPECT_NEAR(measured["min_bits"], predicted["min_bits"].get<double>(), 3) << name;
    EXPECT_NEAR(-std::log2(measured["max_error"].get<double>()), measured["min_bits"], 1e-9) << name;
  }
}

const Json* row_of(const Json& json, const std::string& operation) {
  for (const Json& row : json["operations"])
    if (row["operation"].get<std::string>().starts_with(operation)) return &row;
  return nullptr;
}

TEST(Precision, OfRings) {
  for (const char* log_n : {"12", "13"}) {
    const Finished f = world().thex({"precision", "--log-n", log_n, "--json"});
    ASSERT_EQ(f.status, 0) << f.errors;
    const Json json = Json::parse(f.output);
    EXPECT_EQ(json["parameters"]["log_n"], std::stoi(log_n));
    EXPECT_EQ(json["level"], json["parameters"]["levels"]);
    expect_agreement(json);
    for (const char* operation : {"encode", "encrypt and decrypt", "add", "rotate", "conjugate",
                                  "multiply by a plaintext", "multiply, relinearise", "rescale", "polynomial"}) {
      EXPECT_NE(row_of(json, operation), nullptr) << operation;
    }
    EXPECT_EQ((*row_of(json, "polynomial"))["level"], 0);
    EXPECT_GT((*row_of(json, "encode"))["measured"]["mean_bits"], (*row_of(json, "rotate"))["measured"]["mean_bits"]);
  }
}

TEST(Precision, OfAModelsParametersAtALevel) {
  const Json plan = Json::parse(world().thex({"inspect", "--json"}).output);
  const Finished f = world().thex({"precision", "--json", "--level", "0"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json json = Json::parse(f.output);
  EXPECT_EQ(json["parameters"], plan["parameters"]);
  EXPECT_EQ(json["level"], 0);
  EXPECT_EQ(row_of(json, "multiply"), nullptr) << "no levels are left";
  expect_agreement(json);
  for (const Json& bucket : plan["buckets"]) EXPECT_GT(bucket["predicted_logit_bits"], 8);
}

// Inspect predicts from assumed sizes, or simulates with the weights; an encrypted query shows no more error.
TEST(Precision, OfTheLogits) {
  const Json assumed = Json::parse(world().thex({"inspect", "--json"}).output);
  EXPECT_EQ(assumed["precision"], "assumed");
  const Finished f = world().thex({"inspect", "--json", "--simulate"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json simulated = Json::parse(f.output);
  EXPECT_EQ(simulated["precision"], "simulated");
  EXPECT_EQ(simulated["plan"], assumed["plan"]);
  const Finished eval = world().thex({"eval", "--mode", "encrypted", "--data", world().data(), "--json"});
  ASSERT_EQ(eval.status, 0) << eval.errors;
  const double bits = simulated["buckets"][0]["predicted_logit_bits"];
  EXPECT_GT(bits, 8);
  // The largest of eight errors, on sentences other than the simulated one.
  EXPECT_NEAR(-std::log2(Json::parse(eval.output)["max_logit_error"].get<double>()), bits, 4);
}

// Ranges of values are measured where there are none, and stay; the rest is measured anew.
TEST(Precision, IsPredictedFromWhatCalibrationMeasures) {
  const std::filesystem::path folder = world().folder() / "uncalibrated";
  write_model(folder, {.protocol = model::Protocol::one_round});
  const auto inspect = [&] { return Json::parse(world().thex({"inspect", "--json", "-m", folder.string()}).output); };
  const auto section = [&] { return Json::parse(read_file(folder / "config.json", 1 << 20))["thex"]; };
  EXPECT_EQ(inspect()["precision"], "assumed");
  const Finished f = world().thex({"calibrate", folder.string(), "-i", world().data()});
  ASSERT_EQ(f.status, 0) << f.errors;
  EXPECT_NE(f.output.find("4 texts"), std::string::npos) << f.output;
  EXPECT_EQ(inspect()["precision"], "calibrated");
  const Json first = section();
  EXPECT_GT(first["embedding_rms"], 0);
  EXPECT_GT(first["layers"][0]["weights"]["query"], 0);
  EXPECT_GT(first["layers"][0]["sensitivity"]["input"], 0);
  ASSERT_EQ(world().thex({"calibrate", folder.string(), "-i", world().data(), "--limit", "1"}).status, 0);
  EXPECT_EQ(section()["layers"][0]["ffn"], first["layers"][0]["ffn"]);
  EXPECT_NE(section()["layers"][0]["sensitivity"], first["layers"][0]["sensitivity"]);
  expect_error(world().thex({"calibrate", folder.string(), "-i", "/nowhere.tsv"}), ErrorCode::file, "/nowhere.tsv");
  expect_error(world().thex({"calibrate", "/nowhere", "-i", world().data()}), ErrorCode::model, "config.json");
}

TEST(Precision, TableAndErrors) {
  const Finished f = world().thex({"precision", "--log-n", "12"});
  ASSERT_EQ(f.status, 0) << f.errors;
  for (const char* part :
       {"N = 2^12", "128 bits of classical security", "measured", "predicted", "rotate", "polynomial of degree"})
    EXPECT_NE(f.output.find(part), std::string::npos) << part << '\n' << f.output;
  EXPECT_EQ(f.errors, "");
  expect_error(world().thex({"precision", "--log-n", "12", "--level", "9"}), ErrorCode::usage, "--level 9");
  expect_error(world().thex({"precision", "--log-n", "11"}), ErrorCode::usage, "--log-n");
  expect_error(world().thex({"precision", "--log-n", "12", "--model", "x"}), ErrorCode::usage, "--model");
  EXPECT_NE(world().thex({"precision", "--help"}).output.find("Exit status"), std::string::npos);
}

}  // namespace
}  // namespace thex::testing
