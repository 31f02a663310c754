// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/pictures.h"

#include <algorithm>
#include <array>

#include <QAbstractItemView>
#include <QApplication>
#include <QPainter>

#include "ui/shell/context.h"
#include "ui/theme/theme.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kThumb = 2 * PictureDelegate::kSide; ///< sharp at two device pixels for one

/// A figure of the parameters under any of its names; empty when it is none.
QString figure(const Json& params, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const auto it = params.find(name); it != params.end() && it->is_number())
            return formatNumber(it->get<double>());
    return {};
}

/// Which of the images of one prompt and seed, from 1; empty when it is not said.
QString drawOf(const Json& params) {
    const auto it = params.find("draw");
    return it != params.end() && it->is_number_integer() ? QString::number(it->get<int64_t>() + 1) : QString();
}

struct Fact {
    QString before, value, after;
};
std::array<Fact, 5> factsOf(const desk::Candidate& c) {
    const QString width = figure(c.params, {"width"}), height = figure(c.params, {"height"});
    const bool drawn = c.seed != 0 || c.run != 0;
    return {Fact{{}, width.isEmpty() || height.isEmpty() ? QString() : width + u" × "_s + height, {}},
            Fact{u"seed "_s, drawn ? QString::number(c.seed) : QString(), {}},
            Fact{u"draw "_s, drawOf(c.params), {}},
            Fact{{}, figure(c.params, {"steps", "num_inference_steps"}), u" steps"_s},
            Fact{u"guidance "_s, figure(c.params, {"guidance", "guidance_scale", "cfg"}), {}}};
}

} // namespace

QString mediaOf(const desk::Project& project, const desk::Candidate& image) {
    const std::string& sha = image.content;
    const bool named = sha.size() == 64 && sha.find_first_not_of("0123456789abcdef") == std::string::npos;
    return isImage(image) && named ? qstr(project.mediaPath(sha)) : QString();
}

std::vector<desk::Candidate> inPlaces(std::vector<desk::Candidate> candidates) {
    const auto images = std::stable_partition(candidates.begin(), candidates.end(), [](const auto& each) { return !isImage(each); });
    std::sort(images, candidates.end(), [](const auto& a, const auto& b) { return a.content < b.content; });
    return candidates;
}

QString drawnWith(const desk::Candidate& a, const desk::Candidate& b) {
    const auto first = factsOf(a), second = factsOf(b);
    QStringList parts;
    for (size_t i = 0; i < first.size(); ++i) {
        QStringList values{first[i].value};
        if (second[i].value != first[i].value)
            values.append(second[i].value);
        values.removeAll(QString());
        if (!values.isEmpty())
            parts.append(first[i].before + values.join(u", "_s) + first[i].after);
    }
    if (parts.isEmpty())
        return a.provenance == desk::Provenance::Imported ? u"imported"_s : QString();
    return parts.join(u" · "_s);
}
QString drawnWith(const desk::Candidate& image) {
    return drawnWith(image, image);
}

PictureDelegate::PictureDelegate(ImageLoader* loader, QAbstractItemView* view) : QStyledItemDelegate(view), m_loader(loader) {
    connect(loader, &ImageLoader::loaded, view->viewport(), [view](const QString&, int side) {
        if (side == kThumb)
            view->viewport()->update();
    });
}

void PictureDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    QStyledItemDelegate::paint(painter, option, index); // ground and selection; the cell has no words
    QRect box(option.rect.left() + px(Size::GapS), option.rect.center().y() - kSide / 2, kSide, kSide);
    for (const QString& path : index.data(Qt::UserRole).toStringList()) {
        if (box.right() > option.rect.right())
            break;
        paintPicture(*painter, box, m_loader->get(path, kThumb));
        box.translate(kSide + px(Size::Grid), 0);
    }
}

void CaptionDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const QString caption = index.data(Qt::UserRole).toString();
    if (caption.isEmpty())
        return QStyledItemDelegate::paint(painter, option, index);
    QStyleOptionViewItem ground = option;
    initStyleOption(&ground, index);
    const QString words = ground.text;
    const QStyle* style = option.widget ? option.widget->style() : QApplication::style();
    // Where the words of the cells beside it begin.
    const int inset = style->pixelMetric(QStyle::PM_FocusFrameHMargin, nullptr, option.widget) + 1;
    QRect line = style->subElementRect(QStyle::SE_ItemViewItemText, &ground, option.widget).adjusted(inset, 0, -inset, 0);
    ground.text.clear();
    style->drawControl(QStyle::CE_ItemViewItem, &ground, painter, option.widget);
    const int first = lineHeight(TextStyle::Body), second = lineHeight(TextStyle::Caption);
    line.setTop(option.rect.center().y() + 1 - (first + second) / 2);
    line.setHeight(first + second);
    const auto draw = [&](const QRect& where, const QString& text, TextStyle look, const QColor& ink) {
        painter->setFont(textFont(look));
        painter->setPen(ink);
        painter->drawText(where, Qt::AlignLeft | Qt::AlignVCenter,
                          painter->fontMetrics().elidedText(text, Qt::ElideRight, where.width()));
    };
    painter->save();
    draw(QRect(line.left(), line.top(), line.width(), first), words, TextStyle::Body, ground.palette.color(QPalette::Text));
    draw(QRect(line.left(), line.top() + first, line.width(), second), caption, TextStyle::Caption, color(Tone::Second));
    painter->restore();
}

} // namespace pl::ui
