// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/desk/exchange/import.h"

/// Pairs and rankings of image files on this machine. Rows are JSON Lines, one JSON array, or CSV with a header; Parquet is not
/// read (convert it, and keep the images as files). An image is named by a path below the folder of images: absolute paths, ".."
/// and links out of it are refused, each file is looked at (inspectImageFile), and its hash names it from then on. Captions
/// become prompts of kind "scene".
///
///   pick_a_pic       caption, label_0, label_1 (1/0 or 0.5/0.5; has_label false: no label), model_0/1, seed_0/1; the images by
///                    image_0/1 or jpg_0/1 (paths), else a file named image_0_uid/image_1_uid
///   hpd_v2           prompt, file_path or image_path (list), human_preference (1 is preferred) or rank (lower is better); of
///                    raw_annotations ({rank, user_hash}) each is a vote, and rank, their average, none
///   image_reward_db  image_path, prompt_id, prompt, rank: rows of one prompt are one ranking; or prompt, generations, ranking
///   trl_images       prompt, chosen, rejected with {"type": "image"} parts and "images" (a preference over images), or images
///                    and ranks (a ranking)
///   folder           image files whose paths follow ImportOptions::layout, as {checkpoint}/{prompt}_{seed}: every two checkpoints
///                    give a pair for the same prompt and seed (007 is 7); without {checkpoint} the images of a prompt are paired
///                    in turn. In {prompt} an underscore is a space; {any} is left unread.
///
/// A missing or broken file costs a pair the row, a ranking of three or more the one image, a folder the pairs it is in.
namespace pl::desk {

bool isImageFormat(ImportFormat format);
/// What the first row (or a folder) is; Auto when no image format.
ImportFormat detectImages(const std::string& text);

/// What a file or folder holds: read and looked at, nothing stored yet.
struct ImageImport {
    std::string path, sha;
    ImportFormat format = ImportFormat::Folder;
    std::string layout;                       ///< how a folder's paths were read
    int64_t read = 0, rejectedCount = 0;      ///< rows, or a folder's files
    int64_t others = 0;                       ///< of the rejected: files of a folder that are no images by their names
    int64_t imagesLeftOut = 0;                ///< missing or broken ones of rows that are kept without them
    std::string note;                         ///< why nothing of a folder makes a pair; else empty
    std::vector<RejectedRow> rejected;        ///< the first 200; `line` counts a folder's files
    std::vector<ImportRow> rows;
    std::map<std::string, std::string> files; ///< hash -> file, of every image of the rows
};
/// Reads every image file to the end, so it takes a while; needs no project and may be done on any thread. Refuses what cannot be
/// read at all; whatever is left out is told in `rejected`.
Result<ImageImport> readImages(const std::string& path, ImportFormat format, const ImportOptions& options);
/// How importRows is told what is imported.
Project::ImportMeta importMeta(const ImageImport& import, Id task, const std::string& annotator);
/// Copies one of its files into the project; refused when it is no longer what was looked at.
Status storeImage(Project& project, const std::string& sha, const std::string& file);

/// A layout that fits the image files of a folder by their names.
struct FolderLayout {
    std::string layout;    ///< empty: none of the known ones makes a pair
    int64_t images = 0;    ///< image files below the folder
    int64_t fitting = 0;   ///< of them so many follow the layout
    int64_t pairs = 0;
};
/// The known layout that most image files follow; no file is opened.
Result<FolderLayout> recogniseLayout(const std::string& folder);

/// The whole way: readImages, storeImage for each, importRows; the same file twice adds nothing the second time.
Result<ImportReport> importImages(Project& project, const std::string& path, ImportFormat format, const ImportOptions& options);

} // namespace pl::desk
