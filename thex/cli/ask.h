// Many sentences through one session, several of them in a query where the plan has batches.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "thex/text/tokenizer.h"
#include "thex/transport/session.h"

namespace thex::cli {

// Gets what one query answered: the numbers of its sentences, and an answer for each.
using OnAnswers = std::function<void(std::span<const std::size_t> sentences, std::vector<client::Answer> answers)>;

// Asks for all sentences, the query with the earliest one first. `one_by_one`: a query for each. Throws as
// transport::Session and client::make_batches do.
void ask(transport::Session& session, const client::ClientModel& model, std::span<const text::Encoding> sentences,
         bool one_by_one, const OnAnswers& on_answers);

}  // namespace thex::cli
