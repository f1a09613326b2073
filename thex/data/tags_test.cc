#include "thex/data/tags.h"

#include <gmock/gmock.h>

#include <random>

#include "tests/support/data_files.h"
#include "thex/data/example_reader.h"
#include "thex/data/metrics.h"

namespace thex::data {
namespace {

using Tags = std::vector<std::string>;

std::string scheme_name(const Tags& labels) {
  const auto scheme = scheme_of(labels);
  return scheme ? scheme->name() : "none";
}

Tags as(const Tags& tags, const TagScheme& scheme) { return tags_of(entities_of(tags), tags.size(), scheme); }

TEST(Tags, SchemesOfLabels) {
  EXPECT_EQ(scheme_name({"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}), "IOB2");
  EXPECT_EQ(scheme_name({"B-LOC", "B-MISC", "I-LOC", "I-MISC", "I-PER", "O"}), "IOB1") << "a person cannot start";
  EXPECT_EQ(scheme_name({"O", "I-PER"}), "IOB1");
  EXPECT_EQ(scheme_name({"O", "B_PER", "I_PER"}), "IOB2");
  EXPECT_EQ(scheme_name({"O", "B", "I"}), "IOB2");
  EXPECT_EQ(scheme_name({"O", "B-X", "I-X", "E-X", "S-X"}), "BIOES");
  EXPECT_EQ(scheme_name({"O", "B-X", "I-X", "L-X", "U-X"}), "BILOU");
  EXPECT_EQ(scheme_name({"O", "B-X", "M-X", "E-X", "W-X"}), "BMEWO");
  EXPECT_EQ(scheme_name({"B", "M", "E", "S"}), "BMES");
  EXPECT_EQ(scheme_name({"O", "B-X", "NN"}), "none");
  EXPECT_EQ(scheme_name({"S-X", "M-X", "L-X"}), "none") << "nothing begins";
  EXPECT_EQ(scheme_name({"O", "B-X", "E-X", "L-X"}), "none") << "two letters for one place";
  EXPECT_EQ(scheme_name({}), "none");
  EXPECT_THAT(why_no_scheme({"O", "NN"}), ::testing::HasSubstr("\"NN\""));
  for (const char* tag : {"", "X", "B-", "BPER", "o", "b-PER", "S_"}) EXPECT_FALSE(is_tag(tag)) << tag;
}

TEST(Tags, EntitiesOfEveryScheme) {
  const std::vector<Entity> expected{{0, 2, "A"}, {2, 3, "A"}, {4, 7, "B"}};
  EXPECT_EQ(entities_of({"I-A", "I-A", "B-A", "O", "I-B", "I-B", "I-B"}), expected);
  EXPECT_EQ(entities_of({"B-A", "I-A", "B-A", "O", "B-B", "I-B", "I-B"}), expected);
  EXPECT_EQ(entities_of({"B-A", "E-A", "S-A", "O", "B-B", "I-B", "E-B"}), expected);
  EXPECT_EQ(entities_of({"B-A", "L-A", "U-A", "O", "B-B", "I-B", "L-B"}), expected);
  EXPECT_EQ(entities_of({"B_A", "E_A", "W_A", "O", "B_B", "M_B", "E_B"}), expected);
  // Contradictions, as conlleval reads them.
  EXPECT_EQ(entities_of({"I-A", "E-A", "I-A", "S-B", "E-B", "B-A", "E-B"}),
            (std::vector<Entity>{{0, 2, "A"}, {2, 3, "A"}, {3, 4, "B"}, {4, 5, "B"}, {5, 6, "A"}, {6, 7, "B"}}));
  EXPECT_EQ(entities_of({"O", "B-A", "I-A", "I-B", "B-B", "O", "I-A"}),
            (std::vector<Entity>{{1, 3, "A"}, {3, 4, "B"}, {4, 5, "B"}, {6, 7, "A"}}));
  EXPECT_TRUE(entities_of({"O", "O"}).empty());
  EXPECT_TRUE(entities_of({}).empty());
}

TEST(Tags, EverySchemeSaysTheSame) {
  using Kind = TagScheme::Kind;
  const TagScheme schemes[] = {{.kind = Kind::iob1},
                               {.kind = Kind::iob2},
                               {.kind = Kind::bioes},
                               {.kind = Kind::bioes, .end = 'L', .single = 'U'},
                               {.kind = Kind::bioes, .inside = 'M', .single = 'W', .separator = '_'}};
  std::mt19937 random(1);
  const Tags letters{"O", "B-A", "I-A", "B-B", "I-B", "E-A", "S-B"};
  for (int round = 0; round < 300; ++round) {
    Tags tags(random() % 8);
    for (std::string& tag : tags) tag = letters[random() % letters.size()];
    const auto entities = entities_of(tags);
    for (const TagScheme& scheme : schemes) {
      const Tags written = as(tags, scheme);
      EXPECT_EQ(entities_of(written), entities) << scheme.name();
      EXPECT_EQ(as(written, scheme), written) << scheme.name();
    }
  }
}

TEST(Tags, OneSchemeFromAnother) {
  const TagScheme iob2;
  EXPECT_EQ(as({"I-PER", "I-PER", "O", "I-LOC"}, iob2), (Tags{"B-PER", "I-PER", "O", "B-LOC"}));
  EXPECT_EQ(as({"I-PER", "B-PER", "I-PER"}, iob2), (Tags{"B-PER", "B-PER", "I-PER"}));
  EXPECT_EQ(as({"O", "I", "I", "B", "I"}, iob2), (Tags{"O", "B", "I", "B", "I"}));
  EXPECT_EQ(as({"U-A", "B-A", "L-A"}, iob2), (Tags{"B-A", "B-A", "I-A"}));
  const TagScheme iob1{.kind = TagScheme::Kind::iob1};
  EXPECT_EQ(as({"B-A", "I-A", "B-A", "B-B"}, iob1), (Tags{"I-A", "I-A", "B-A", "I-B"}));
  // A label set without B-A writes what it has.
  const auto known = [](const std::string& tag) { return tag == "I-A" || tag == "O"; };
  EXPECT_EQ(tags_of({{0, 1, "A"}, {1, 2, "A"}}, 3, iob1, known), (Tags{"I-A", "I-A", "O"}));
}

TEST(Tags, TheSchemeOfAFile) {
  const auto seen = [](const std::vector<Tags>& sentences) {
    TagObserver observer;
    for (const Tags& tags : sentences) observer.add(tags);
    return observer.scheme();
  };
  EXPECT_EQ(seen({{"I-A", "I-A", "B-A"}, {"O"}}), "IOB1");
  EXPECT_EQ(seen({{"B-A", "I-A", "B-A"}, {"O", "B-B"}}), "IOB2");
  EXPECT_EQ(seen({{"B-A", "E-A", "S-A"}}), "BIOES");
  EXPECT_EQ(seen({{"O", "U-A"}}), "BILOU");
  EXPECT_EQ(seen({{"I-A"}, {"B-A"}}), "IOB1 and IOB2 mixed");
  EXPECT_EQ(seen({{"B-A", "S-A"}, {"U-A"}}), "mixed");
  EXPECT_EQ(seen({{"O"}}), "");
  EXPECT_EQ(seen({{"NN"}}), "");
}

class TagFiles : public testing::DataFiles {};

// A file of any scheme is read for labels of any other one, and the perfect prediction scores 1.
TEST_F(TagFiles, FilesBecomeTheModelsScheme) {
  const std::pair<const char*, std::string> files[] = {
      {"IOB1", "a I-A\nb I-A\nc B-A\n\nd O\ne I-B\n"},
      {"IOB2", "a B-A\nb I-A\nc B-A\n\nd O\ne B-B\n"},
      {"BIOES", "a B-A\nb E-A\nc S-A\n\nd O\ne S-B\n"},
      {"BILOU", "a B-A\nb L-A\nc U-A\n\nd O\ne U-B\n"},
  };
  const std::pair<Tags, std::vector<Tags>> models[] = {
      {{"O", "I-A", "I-B", "B-A"}, {{"I-A", "I-A", "B-A"}, {"O", "I-B"}}},
      {{"O", "B-A", "I-A", "B-B", "I-B"}, {{"B-A", "I-A", "B-A"}, {"O", "B-B"}}},
      {{"O", "B-A", "I-A", "E-A", "S-A", "S-B"}, {{"B-A", "E-A", "S-A"}, {"O", "S-B"}}},
      {{"O", "B-A", "I-A", "L-A", "U-A", "U-B"}, {{"B-A", "L-A", "U-A"}, {"O", "U-B"}}},
  };
  for (const auto& [name, text] : files) {
    for (const auto& [labels, expected] : models) {
      const TaskSpec task = testing::tagging(Format::conll, labels);
      const auto path = write("x.conll", text);
      std::ifstream stream(path);
      ExampleReader reader(stream, "x", task);
      Outcomes outcomes;
      for (const Tags& sentence : expected) {
        const auto example = reader.next();
        ASSERT_TRUE(example);
        Tags tags;
        for (const int tag : example->tags) tags.push_back(labels[static_cast<std::size_t>(tag)]);
        EXPECT_EQ(tags, sentence) << name << " for " << scheme_name(labels);
        outcomes.gold_tags.push_back(example->tags);
      }
      EXPECT_EQ(reader.tag_scheme(), name);
      outcomes.predicted_tags = outcomes.gold_tags;
      EXPECT_EQ(score(Metric::entity_f1, outcomes, labels), 1) << scheme_name(labels);
      outcomes.predicted_tags[0] = {0, 0, 0};
      EXPECT_DOUBLE_EQ(score(Metric::entity_f1, outcomes, labels), 0.5) << "one of three, no other";
    }
  }
}

// A sentence as long as a file is counted in one pass.
TEST(Tags, EntitiesOfALongSentence) {
  const Tags labels{"O", "B-A", "I-A"};
  const std::size_t words = 400000;
  Outcomes outcomes;
  outcomes.gold_tags = {std::vector<int>(words, 1)};
  outcomes.predicted_tags = {std::vector<int>(words, 1)};
  for (std::size_t i = 0; i < words; i += 4) outcomes.predicted_tags[0][i] = 0;
  EXPECT_DOUBLE_EQ(score(Metric::entity_f1, outcomes, labels), 2 * 0.75 / 1.75);
}

}  // namespace
}  // namespace thex::data
