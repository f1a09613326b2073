// The data of a run: read, found to be enough, split, and filled up with text for a teacher to judge.
#pragma once

#include <string>

#include "thex/convert/command_arguments.h"
#include "thex/convert/plain_model.h"

namespace thex::convert {

// With fewer training examples there is nothing to choose epochs by and nothing to fit norms and activations on.
inline constexpr std::size_t kLeastExamples = 20;
// Of each label, where a head is trained on labels: one may be held out.
inline constexpr std::size_t kLeastOfLabel = 2;

// What a smaller training split is filled up to with variants, unless the user asks for another number of them: a
// student follows its teacher on text that the teacher was not fitted to. Polynomials, which have more to learn, get
// more of them in epochs of the same length, which draw other examples each time.
inline constexpr std::size_t kEnoughExamples = 25000, kEnoughForPolynomials = 100000;

// Throws Error(input) for fewer than kLeastExamples and, of a classification whose labels are `learned`, for a label
// with fewer than kLeastOfLabel of them. `file` is for the message.
void require_examples(const data::TaskSpec& spec, const DataSet& train, bool learned, const std::string& file);

// Reads and tokenizes both files (training texts may have no labels, see data::is_texts) and holds out some of the
// training examples. Whole sentences are drawn apart from phrases only where the training texts are single (see
// hold_out). `learned`: see require_examples. Throws Error(input) or Error(file).
TaskData load_task(CommonArguments& arguments, const ResolvedTask& task, const text::Tokenizer& tokenizer, bool learned,
                   const Log& log);

// Texts without labels, one a line, or for a task of pairs two with a tab between them (see data::read_texts).
DataSet load_texts(const std::vector<std::filesystem::path>& files, const data::TaskSpec& spec,
                   const text::Tokenizer& tokenizer, int max_length);

// Fills `data`.texts from the files, without those texts that are held out or in the dev set: scores would say too
// much.
void add_texts(TaskData& data, const std::vector<std::filesystem::path>& files, const text::Tokenizer& tokenizer,
               const Log& log);

// Gives examples without labels the teacher's answers as their labels or values.
void label_by(const EncoderModule& teacher, DataSet& data, const Log& log);

// Throws Error(model) when examples have a second text and the model has embeddings for one only. A model without token
// types tells texts of a pair apart by [SEP] alone.
void require_segments(const TaskData& data, const model::ModelConfig& config, const std::string& folder);

// Everything about arguments and data that a result depends on, for the fingerprint of its checkpoints.
std::string data_fingerprint(const CommonArguments& arguments, const ResolvedTask& task);

// Adds `count` variants of training examples (see augment.h), of words near each other in `words`, the table of word
// embeddings.
void add_variants(DataSet& train, std::size_t count, const torch::Tensor& words, const text::Tokenizer& tokenizer,
                  int max_length, std::uint64_t seed);

// Polynomials leave all bounds where they were not trained: adds texts of every length up to the longest, joined from
// the training examples, an eighth of them. They have no labels; a teacher says what they mean.
void add_long_examples(DataSet& train, std::size_t max_length, std::uint64_t seed);

}  // namespace thex::convert
