#include "thex/data/tags.h"

#include <algorithm>
#include <string_view>

#include "thex/base/json.h"

namespace thex::data {
namespace {

constexpr std::string_view kLetters = "BIELSUMW";

// What a letter says of its word, whatever the scheme calls it.
enum class Place { outside, begin, inside, end, single };

Place place_of(const std::string& tag) {
  switch (tag.empty() ? 'O' : tag[0]) {
    case 'B':
      return Place::begin;
    case 'I':
    case 'M':
      return Place::inside;
    case 'E':
    case 'L':
      return Place::end;
    case 'S':
    case 'U':
    case 'W':
      return Place::single;
    default:
      return Place::outside;
  }
}

std::string tag(char letter, const TagScheme& scheme, const std::string& type) {
  return type.empty() ? std::string(1, letter) : std::string{letter, scheme.separator} + type;
}

bool has(const std::vector<std::string>& labels, const std::string& label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// The letters of BIOES and its relatives; nothing when two stand for one place.
std::optional<TagScheme> bioes_of(std::string_view letters) {
  const auto there = [&](char letter) { return letters.find(letter) != std::string_view::npos; };
  if ((there('I') && there('M')) || (there('E') && there('L'))) return std::nullopt;
  if (there('S') + there('U') + there('W') > 1) return std::nullopt;
  TagScheme scheme{.kind = TagScheme::Kind::bioes};
  if (there('M') || there('W')) scheme.inside = 'M';
  if (there('L') || there('U')) scheme.end = 'L';
  if (there('W')) scheme.single = 'W';
  if (there('U') || (there('L') && !there('S'))) scheme.single = 'U';
  return scheme;
}

}  // namespace

std::string TagScheme::name() const {
  if (kind == Kind::iob1) return "IOB1";
  if (kind == Kind::iob2) return "IOB2";
  if (single == 'W') return "BMEWO";
  if (inside == 'M') return "BMES";
  return end == 'L' ? "BILOU" : "BIOES";
}

bool is_tag(const std::string& label) {
  if (label == "O") return true;
  if (label.empty() || kLetters.find(label[0]) == std::string_view::npos) return false;
  return label.size() == 1 || (label.size() > 2 && (label[1] == '-' || label[1] == '_'));
}

std::string entity_type(const std::string& tag) { return tag.size() > 2 ? tag.substr(2) : ""; }

std::optional<TagScheme> scheme_of(const std::vector<std::string>& labels) {
  std::string letters;
  char separator = '-';
  for (const std::string& label : labels) {
    if (!is_tag(label)) return std::nullopt;
    if (label == "O") continue;
    if (letters.find(label[0]) == std::string::npos) letters.push_back(label[0]);
    if (label.size() > 1) separator = label[1];
  }
  if (letters.empty()) return std::nullopt;
  std::optional<TagScheme> scheme = TagScheme{};
  if (letters.find_first_not_of("BI") != std::string::npos) {
    if (letters.find('B') == std::string::npos) return std::nullopt;
    scheme = bioes_of(letters);
  } else {
    const bool all_start = std::all_of(labels.begin(), labels.end(), [&](const std::string& label) {
      return label[0] != 'I' || has(labels, "B" + label.substr(1));
    });
    if (!all_start) scheme->kind = TagScheme::Kind::iob1;
  }
  if (scheme) scheme->separator = separator;
  return scheme;
}

std::string why_no_scheme(const std::vector<std::string>& labels) {
  const auto other = std::find_if_not(labels.begin(), labels.end(), is_tag);
  if (other != labels.end()) return in_quotes(*other) + " is no tag of IOB1, IOB2 or BIOES (BILOU)";
  return "their letters are not those of IOB1, IOB2 or BIOES (BILOU)";
}

std::vector<Entity> entities_of(const std::vector<std::string>& tags) {
  std::vector<Entity> out;
  Place before = Place::outside;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const Place place = place_of(tags[i]);
    if (place != Place::outside) {
      const std::string type = entity_type(tags[i]);
      const bool open = before == Place::begin || before == Place::inside;
      const bool goes_on = place == Place::inside || place == Place::end;
      if (open && goes_on && out.back().type == type) {
        out.back().end = i + 1;
      } else {
        out.push_back({i, i + 1, type});
      }
    }
    before = place;
  }
  return out;
}

std::vector<std::string> tags_of(const std::vector<Entity>& entities, std::size_t words, const TagScheme& scheme,
                                 const std::function<bool(const std::string&)>& known) {
  std::vector<std::string> out(words, "O");
  const auto write = [&](std::size_t word, const std::string& type, std::string_view letters) {
    out[word] = tag(letters[0], scheme, type);
    if (!known) return;
    for (const char letter : letters) {
      if (!known(tag(letter, scheme, type))) continue;
      out[word] = tag(letter, scheme, type);
      return;
    }
  };
  const Entity* previous = nullptr;
  for (const Entity& entity : entities) {
    const bool adjacent = previous && previous->end == entity.begin && previous->type == entity.type;
    const bool bioes = scheme.kind == TagScheme::Kind::bioes;
    const std::string single{scheme.single, 'B'}, inside{scheme.inside, 'B'}, end{scheme.end, scheme.inside, 'B'};
    if (bioes && entity.end == entity.begin + 1) {
      write(entity.begin, entity.type, single);
    } else {
      write(entity.begin, entity.type, scheme.kind == TagScheme::Kind::iob1 && !adjacent ? "IB" : "BI");
      for (std::size_t w = entity.begin + 1; w < entity.end; ++w)
        write(w, entity.type, bioes && w + 1 == entity.end ? end : inside);
    }
    previous = &entity;
  }
  return out;
}

void TagObserver::add(const std::vector<std::string>& tags) {
  std::string before = "O";
  for (const std::string& tag : tags) {
    if (!is_tag(tag)) other_ = true;
    const std::string letter = tag.substr(0, 1);
    if (tag != "O" && is_tag(tag) && !has(letters_, letter)) letters_.push_back(letter);
    const bool follows = before != "O" && entity_type(before) == entity_type(tag);
    if (letter == "I" && !follows) starts_inside_ = true;
    if (letter == "B" && !follows) starts_begin_ = true;
    before = tag;
  }
}

std::string TagObserver::scheme() const {
  if (other_ || letters_.empty()) return "";
  std::string letters;
  for (const std::string& letter : letters_) letters += letter;
  if (letters.find_first_not_of("BI") != std::string::npos) {
    const auto scheme = bioes_of(letters);
    return scheme ? scheme->name() : "mixed";
  }
  if (starts_inside_ && starts_begin_) return "IOB1 and IOB2 mixed";
  return starts_inside_ ? "IOB1" : "IOB2";
}

}  // namespace thex::data
