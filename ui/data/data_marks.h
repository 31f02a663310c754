// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/desk/domain/types.h"

namespace pl::ui {

class DetailPanel;
class ImageView;

/// What a judgement marks, to read: stretches of the answers and the first wrong step, regions (drawn in `view`, where there is one, with a
/// on its side A) and struck words, and the edited version. Nothing where nothing is marked; marks of a form that this program does not
/// read are said to be there.
void showMarks(DetailPanel* detail, const desk::LabelItem& item, const desk::Judgement& judgement, ImageView* view);

} // namespace pl::ui
