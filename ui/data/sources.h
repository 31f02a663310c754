// SPDX-License-Identifier: GPL-3.0-or-later
// What the tables of the Data page read from the store.
#pragma once

#include <optional>

#include "ui/data/paged_table.h"

namespace pl::ui {

QList<TableColumn> promptColumns();
QList<TableColumn> pairColumns();
QList<TableColumn> voteColumns();
QList<TableColumn> datasetColumns();
QList<TableColumn> importColumns();
PagedSource promptSource();
/// Without model names: what is read in the table stays blind.
PagedSource pairSource();
PagedSource voteSource();
PagedSource datasetSource();
PagedSource importSource();
/// The newest judgement of a comparison that counts now, whoever made it.
struct NewestVote {
    desk::Judgement judgement;
    std::string by;
};
std::optional<NewestVote> newestVote(desk::Project& project, desk::Id comparison);
/// "a much better", "tie (both bad)", "skipped: broken", "undo".
QString verdictText(const desk::HistoryRow& row);

} // namespace pl::ui
