#include "thex/protocol/model_parts.h"

#include <gtest/gtest.h>

namespace thex::protocol {
namespace {

model::Digest digest(std::uint8_t first) {
  model::Digest d{};
  d[0] = first;
  return d;
}

TEST(ModelParts, OnlyWhatBothSidesKnowIsCompared) {
  model::ModelDigests client, server;
  EXPECT_FALSE(mismatch(client, server));
  client.of(model::ModelPart::embeddings) = digest(1);
  server.of(model::ModelPart::weights) = digest(2);
  EXPECT_FALSE(mismatch(client, server)) << "neither knows the other's part";
  client.of(model::ModelPart::labels) = server.of(model::ModelPart::labels) = digest(3);
  EXPECT_FALSE(mismatch(client, server));
}

TEST(ModelParts, EachPartThatDiffersIsNamedWithWhatToDo) {
  for (std::size_t i = 0; i < model::kModelPartCount; ++i) {
    model::ModelDigests client, server;
    for (std::size_t k = 0; k < model::kModelPartCount; ++k) client.parts[k] = server.parts[k] = digest(7);
    server.parts[i] = digest(8);
    const auto text = mismatch(client, server);
    ASSERT_TRUE(text);
    for (std::size_t k = 0; k < model::kModelPartCount; ++k)
      EXPECT_EQ(text->find(model::describe(static_cast<model::ModelPart>(k))) != std::string::npos, k == i) << *text;
    EXPECT_NE(text->find("--model"), std::string::npos) << *text;
  }
}

}  // namespace
}  // namespace thex::protocol
