#include "thex/model/heads.h"

#include "thex/base/enum_table.h"

namespace thex::model {
namespace {

constexpr const char* kOfSequence = "BertForSequenceClassification";
constexpr const char* kOfTokens = "BertForTokenClassification";

constexpr HeadRow kHeads[] = {
    {Task::classification, "classification", "classification", false, true, 2, kMaxLabels, kOfSequence,
     "single_label_classification"},
    {Task::regression, "regression", "regression", false, false, 1, 1, kOfSequence, "regression"},
    {Task::token_classification, "token_classification", "token classification", true, true, 2, kMaxLabels, kOfTokens,
     nullptr},
};
static_assert(in_order(kHeads, &HeadRow::task));

}  // namespace

std::span<const HeadRow> heads() { return kHeads; }

const HeadRow& row_of(Task task) { return kHeads[static_cast<std::size_t>(task)]; }

}  // namespace thex::model
