// SPDX-License-Identifier: GPL-3.0-or-later
// What the Data page says of images and shows of them.
#pragma once

#include <QStringList>
#include <QStyledItemDelegate>

#include "core/desk/store/project.h"
#include "ui/widgets/image_loader.h"

class QAbstractItemView;

namespace pl::ui {

inline bool isImage(const desk::Candidate& candidate) {
    return candidate.kind == desk::CandidateKind::Image;
}
/// Where its file lies; empty for what is no image with a name of its own kind.
QString mediaOf(const desk::Project& project, const desk::Candidate& image);
/// Images by their hashes, as the sides of a pair are: the order in which they came may be that of their scores. Texts stay, first.
std::vector<desk::Candidate> inPlaces(std::vector<desk::Candidate> candidates);
/// How an image came to be, as far as it is known: "32 × 32 · seed 7 · draw 1 · 8 steps · guidance 2"; else "imported", or nothing.
QString drawnWith(const desk::Candidate& image);
/// The same of two: what both have is said once ("32 × 32 · seed 7, 8 · 8 steps").
QString drawnWith(const desk::Candidate& a, const desk::Candidate& b);

/// Draws the files that an index's Qt::UserRole names (QStringList) side by side, read off the GUI thread.
class PictureDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    /// Of a thumbnail in a table row, logical pixels.
    static constexpr int kSide = 32;
    /// The loader outlives the view.
    PictureDelegate(ImageLoader* loader, QAbstractItemView* view);
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;

private:
    ImageLoader* m_loader;
};

/// A second line in caption style, the index's Qt::UserRole, below its words; without one as always.
class CaptionDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

} // namespace pl::ui
