// Tags that mark words as parts of entities: which scheme a set of labels follows, the entities that tags mean, and
// tags of one scheme from those of another.
//
// IOB1 (Ramshaw and Marcus 1995): I-TYPE inside an entity, B-TYPE only where one follows another of its type. IOB2
// (Tjong Kim Sang and Veenstra 1999): every entity starts with B. BIOES marks the last word (E) and entities of one
// word (S) too; BILOU (Ratinov and Roth 2009) writes L and U for these, BMEWO M, E and W, BMES M, E and S.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace thex::data {

struct TagScheme {
  enum class Kind { iob1, iob2, bioes };
  Kind kind = Kind::iob2;
  char inside = 'I', end = 'E', single = 'S';  // bioes: the letters in use
  char separator = '-';                        // between letter and type; may be '_'

  // "IOB1", "IOB2", "BIOES", "BILOU", "BMEWO" or "BMES".
  std::string name() const;
};

// Whether a label is "O", or one of the letters B, I, E, L, S, U, M and W, by itself or before "-TYPE" or "_TYPE".
bool is_tag(const std::string& label);
// "PER" of "B-PER"; empty for "O" and "B".
std::string entity_type(const std::string& tag);

// The scheme of a set of labels; nothing when one is no tag, when their letters are of no one scheme, or when only "O"
// is there. Labels of B, I and O are IOB2 when every type that goes on (I) may also start (B), else IOB1.
std::optional<TagScheme> scheme_of(const std::vector<std::string>& labels);
// Why scheme_of gives nothing, for a note: `"NN" is no tag of IOB1, IOB2 or BIOES`.
std::string why_no_scheme(const std::vector<std::string>& labels);

// Words [begin, end) of one entity.
struct Entity {
  std::size_t begin = 0, end = 0;
  std::string type;
  bool operator==(const Entity&) const = default;
};
// The entities of one sentence, in order, of any scheme. Where tags contradict each other, as conlleval reads them: an
// entity starts at B and S, at I and E after O, after an entity that has ended or after another type; it ends after E
// and S and before what starts another one.
std::vector<Entity> entities_of(const std::vector<std::string>& tags);

// The tags of a sentence of `words` words with these entities. `known`, where given, says which tags there are: a
// scheme whose labels lack a tag writes the nearest one that it has (IOB1 without B-TYPE writes I-TYPE).
std::vector<std::string> tags_of(const std::vector<Entity>& entities, std::size_t words, const TagScheme& scheme,
                                 const std::function<bool(const std::string&)>& known = {});

// What the tags of a file show of their scheme.
class TagObserver {
 public:
  // The tags of one sentence.
  void add(const std::vector<std::string>& tags);
  // "IOB1", "IOB2", "BIOES" ..; "mixed" for letters of several schemes; empty where no entity was seen or tags are of
  // no scheme.
  std::string scheme() const;

 private:
  std::vector<std::string> letters_;  // each once
  bool other_ = false, starts_inside_ = false, starts_begin_ = false;
};

}  // namespace thex::data
