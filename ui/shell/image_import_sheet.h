// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>

#include "core/desk/exchange/image_import.h"
#include "ui/shell/context.h"

class QGridLayout;
class QLineEdit;
class QTimer;
class QVBoxLayout;

namespace pl::ui {

class ProgressLine;

/// What a folder of images, or a file of image rows, would bring; nothing is stored before the person says so. Stands in the
/// place of a page.
class ImageImportSheet : public QWidget {
    Q_OBJECT
public:
    ImageImportSheet(Context& context, const QString& path);
    /// Something would be imported, and the button says what.
    bool isReady() const { return m_ready; }
    /// It was said so, and the images are being copied: leaving now would lose the import.
    bool isStoring() const { return m_storing; }
    const desk::ImportCounts& counts() const { return m_counts; }
    QString layoutText() const;
    QString messageText() const;

Q_SIGNALS:
    /// A preview (or why there is none) is on screen.
    void shown();
    void imported();
    /// The person does not want it.
    void left();

private:
    struct Read;
    void build();
    void recognise();
    void read();
    void show(std::shared_ptr<Read> read);
    void refuse(const QString& why);
    void confirm();
    void storeFrom(std::shared_ptr<Read> read, size_t file);
    void finish(std::shared_ptr<Read> read);
    void failed(const Error& error);
    void setBusy(const QString& words);

    Context& m_context;
    QString m_path, m_images;
    desk::ImportFormat m_format = desk::ImportFormat::Folder;
    int m_asked = 0; ///< an answer to an earlier question is not shown
    bool m_ready = false, m_storing = false;
    std::shared_ptr<Read> m_read;
    desk::ImportCounts m_counts;
    QLineEdit* m_layout = nullptr;
    QWidget* m_layoutPart = nullptr;
    TextLabel* m_found = nullptr;
    QGridLayout* m_facts = nullptr;
    QVBoxLayout* m_lists = nullptr;
    InlineMessage* m_message = nullptr;
    ProgressLine* m_progress = nullptr;
    FilledButton* m_import = nullptr;
    QuietButton *m_folder = nullptr, *m_cancel = nullptr;
    QTimer* m_later = nullptr;
};

} // namespace pl::ui
