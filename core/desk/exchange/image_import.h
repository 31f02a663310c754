// SPDX-License-Identifier: Apache-2.0
#pragma once

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
///   hpd_v2           prompt, file_path or image_path (list), human_preference (1 is preferred) or rank (lower is better)
///   image_reward_db  image_path, prompt_id, prompt, rank: rows of one prompt are one ranking; or prompt, generations, ranking
///   trl_images       prompt, chosen, rejected with {"type": "image"} parts and "images" (a preference over images), or images
///                    and ranks (a ranking)
///   folder           image files whose paths follow ImportOptions::layout, {checkpoint}/{prompt}_{seed}: every two checkpoints
///                    give a pair for the same prompt and seed; without {checkpoint} the images of a prompt are paired in turn.
///                    In {prompt} an underscore is a space; {any} is left unread.
namespace pl::desk {

bool isImageFormat(ImportFormat format);
/// What the first row (or a folder) is; Auto when no image format.
ImportFormat detectImages(const std::string& text);
/// The whole way; the same file twice adds nothing the second time.
Result<ImportReport> importImages(Project& project, const std::string& path, ImportFormat format, const ImportOptions& options);

} // namespace pl::desk
