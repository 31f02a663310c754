// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <vector>

#include <QFrame>
#include <QString>
#include <QWidget>

#include "ui/widgets/image_loader.h"

class QBoxLayout;
class QGridLayout;

namespace pl::ui {

class TextPane;
class TextLabel;

/// One answer of a set: its letter, its rank so far, and a text in its own scroll or an image made to fit.
class RankCard : public QFrame {
    Q_OBJECT
public:
    RankCard(ImageLoader* loader, QWidget* parent);
    void setText(const QString& text);
    void setImage(const QString& path);
    void setLetter(const QString& letter);
    /// "1st", "2nd, tied", "last"; empty: not placed. Words and a frame, no colour alone.
    void setRank(const QString& rank);
    QString rank() const { return m_rankText; }
    TextPane* pane() const { return m_pane; }
    /// An image that cannot be shown, and why.
    QString problem() const;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    ImageLoader* m_loader;
    QBoxLayout* m_head;
    TextLabel *m_letter, *m_rank;
    TextPane* m_pane;
    QWidget* m_canvas; ///< keeps the place of a picture
    QString m_path, m_rankText;
};

/// Three to nine answers side by side in even cards (up to 26 of an imported set).
class RankView : public QWidget {
    Q_OBJECT
public:
    explicit RankView(QWidget* parent = nullptr);
    struct Answer {
        QString text, image; ///< an image's path, or a text
    };
    /// Painted once more: painted() comes with this id.
    void setAnswers(const QString& id, const std::vector<Answer>& answers);
    void setRanks(const QStringList& ranks);
    int count() const { return static_cast<int>(m_cards.size()); }
    RankCard* card(int place) const { return m_cards[static_cast<size_t>(place)]; }
    ImageLoader* imageLoader() const { return m_loader; }
    /// Letters of images that cannot be shown.
    QString unseen() const;
    void scrollPages(int pages);
    /// Columns for so many cards.
    static int columnsFor(int cards) { return cards <= 3 ? cards : cards <= 4 ? 2 : cards <= 9 ? 3 : 5; }

Q_SIGNALS:
    void painted(const QString& id, qint64 ns);
    void clicked(int place);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    ImageLoader* m_loader;
    QGridLayout* m_grid;
    std::vector<RankCard*> m_cards;
    QString m_id;
};

/// A, B, ... of a place.
QString letterOf(int place);

} // namespace pl::ui
