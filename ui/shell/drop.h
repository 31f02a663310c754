// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace pl::ui {

/// What was dropped on the window.
struct Drop {
    enum class Kind {
        Project,
        Model,
        Images,    ///< a folder of image files, or rows that name some: ImageImportSheet
        ImageFile, ///< one image: its path says too little
        Rows       ///< any other file
    };
    Kind kind = Kind::Rows;
    QString path; ///< what to open: of a folder with one file of image rows that file
};
/// Looks at names, and at the beginning of files that may be rows. It may take a while: not for the GUI thread.
Drop dropOf(const QString& path);

} // namespace pl::ui
