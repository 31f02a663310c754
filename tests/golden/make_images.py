#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small picture files of every kind the decoder reads, and what Pillow makes of them: images/.

Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0, Little CMS 2.19), numpy 2.4.6; alone, in any order. The files that Pillow
cannot write (PNG chunks, 16 bits) and the colour profiles are written out here, byte by byte.
"""
import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

OUT = pathlib.Path(__file__).parent / "images"
W, H = 20, 12
SRGB = ImageCms.createProfile("sRGB")
REC709 = [(0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]  # white, red, green, blue
ADOBE = [(0.3127, 0.3290), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)]


def picture():
    """No two pixels alike, in no direction symmetrical, smooth enough for a JPEG."""
    y, x = np.mgrid[0:H, 0:W]
    r = 20 + 220 * x / (W - 1)
    g = 30 + 200 * y / (H - 1)
    b = 128 + 100 * np.sin(0.2 * x + 0.45 * y)
    return np.stack([r, g, b], -1).round().astype(np.uint8)


def alpha():
    y, x = np.mgrid[0:H, 0:W]
    a = (x * 23 + y * 11) % 256
    a[:, :3] = 0
    a[:, -4:] = 255
    return a.astype(np.uint8)


# --- colour profiles ------------------------------------------------------------------------------------------------------


def s15(v):
    return struct.pack(">i", round(v * 65536))


def xyz_tag(v):
    return b"XYZ \0\0\0\0" + b"".join(s15(c) for c in v)


def text_desc(text):
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text.encode() + b"\0" + b"\0" * 78


def profile(kind, space, tags, pcs=b"XYZ "):
    tags = [(b"desc", text_desc("fixture")), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz_tag((0.9642, 1, 0.8249)))] + tags
    table, body = b"", b""
    at = 128 + 4 + 12 * len(tags)
    for name, data in tags:
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, kind, space, pcs)
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + s15(0.9642) + s15(1) + s15(0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def gamma_curve(gamma, steps=0):
    if not steps:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    values = [round(65535 * (i / (steps - 1)) ** gamma) for i in range(steps)]
    return b"curv\0\0\0\0" + struct.pack(f">I{steps}H", steps, *values)


def srgb_curve(steps=4096):
    v = np.arange(steps) / (steps - 1)
    light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return b"curv\0\0\0\0" + struct.pack(f">I{steps}H", steps, *(65535 * light).round().astype(int))


def rgb_profile(chromaticities, curve):
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in chromaticities])
    white, matrix = xyz[0], xyz[1:].T
    matrix = matrix * np.linalg.solve(matrix, white)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    scale = (bradford @ [0.9642, 1, 0.8249]) / (bradford @ white)
    adapted = np.linalg.inv(bradford) @ np.diag(scale) @ bradford @ matrix
    tags = [(n, xyz_tag(adapted[:, i])) for i, n in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    return profile(b"mntr", b"RGB ", tags + [(n, curve) for n in (b"rTRC", b"gTRC", b"bTRC")])


def grey_profile(gamma):
    return profile(b"mntr", b"GRAY", [(b"kTRC", gamma_curve(gamma))])


def cmyk_profile():
    """Sixteen corners in Lab, linear in every ink, so that every way to interpolate gives the same: a press of this file's own."""
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + b"".join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut += bytes(range(256)) * 4
    for c in (0, 1):
        for m in (0, 1):
            for y in (0, 1):
                for k in (0, 1):
                    light = 240 - 50 * c - 60 * m - 15 * y - 107 * k
                    lut += bytes([light, 128 - 35 * c + 60 * m - 10 * k, 128 - 40 * c + 70 * y - 10 * k])
    lut += bytes(range(256)) * 3
    return profile(b"prtr", b"CMYK", [(b"A2B0", lut)], b"Lab ")


ADOBE_ICC = rgb_profile(ADOBE, gamma_curve(2.2))
SRGB_ICC = rgb_profile(REC709, srgb_curve(256))

# --- files ----------------------------------------------------------------------------------------------------------------


def exif(orientation):
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples, depth, kind, before=()):
    """Rows of unfiltered samples behind the chunks `before`."""
    order = ">u2" if depth == 16 else "u1"
    rows = b"".join(b"\0" + row.astype(order).tobytes() for row in samples)
    h, w = samples.shape[:2]
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, 0))
    return out + b"".join(chunk(n, d) for n, d in before) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def gama(gamma):
    return b"gAMA", struct.pack(">I", round(gamma * 100000))


def chrm(chromaticities):
    return b"cHRM", b"".join(struct.pack(">I", round(v * 100000)) for pair in chromaticities for v in pair)


def iccp(icc):
    return b"iCCP", b"fixture\0\0" + zlib.compress(icc)


# --- what is expected -----------------------------------------------------------------------------------------------------


def light(v):
    v = v / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def sample(v):
    return 255 * np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055)


def expected(data, icc):
    """Pillow's pixels, upright, in sRGB, over white in linear light. `icc`: None: what the file holds."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if icc is None:
        icc = image.info.get("icc_profile", b"")
    a = None
    if image.mode.startswith("I;16"):
        image = Image.fromarray(((np.array(image).astype(int) * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("1", "P"):
        image = image.convert("RGBA" if "transparency" in image.info else "L" if image.mode == "1" else "RGB")
    if image.mode in ("RGBA", "LA"):
        a = np.array(image.getchannel("A")) / 255
        image = image.convert(image.mode[:-1])
    if icc:
        image = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), SRGB, outputMode="RGB",
                                          renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                                          flags=ImageCms.Flags.BLACKPOINTCOMPENSATION)
    rgb = np.array(image.convert("RGB")).astype(float)
    if a is not None:
        rgb = sample(light(rgb) * a[..., None] + 1 - a[..., None])
    return rgb.round().astype(np.uint8)


def main():
    OUT.mkdir(exist_ok=True)
    rgb, a = picture(), alpha()
    im, grey = Image.fromarray(rgb), Image.fromarray(rgb).convert("L")
    rgba, la = im.copy(), grey.copy()
    rgba.putalpha(Image.fromarray(a))
    la.putalpha(Image.fromarray(a))
    cmyk = Image.merge("CMYK", [Image.fromarray(c) for c in (255 - rgb[..., 0], 255 - rgb[..., 1], 255 - rgb[..., 2], rgb[::-1, :, 1] // 3)])
    palette = im.quantize(16)
    holes = palette.copy()
    wide = np.array(im).astype(int) * 257 + 5
    icc16 = rgb_profile(ADOBE, gamma_curve(1.8, 4096))

    files = {}  # name -> bytes, icc (None: the file's own)

    def add(name, data, icc=None):
        files[name] = data, icc

    add("baseline.jpg", saved(im, "JPEG", quality=90, subsampling=0))
    add("subsampled.jpg", saved(im, "JPEG", quality=85, subsampling=2))
    add("progressive.jpg", saved(im, "JPEG", quality=90, progressive=True))
    add("restarts.jpg", saved(im, "JPEG", quality=90, restart_marker_blocks=1))
    add("rgb.jpg", saved(im, "JPEG", quality=95, keep_rgb=True))
    add("grey.jpg", saved(grey, "JPEG", quality=90))
    for o in range(1, 9):
        add(f"orientation{o}.jpg", saved(im, "JPEG", quality=90, exif=b"Exif\0\0" + exif(o)))
    add("icc.jpg", saved(im, "JPEG", quality=95, icc_profile=ADOBE_ICC))
    add("icc_srgb.jpg", saved(im, "JPEG", quality=95, icc_profile=SRGB_ICC))
    add("icc_orientation.jpg", saved(im, "JPEG", quality=95, icc_profile=ADOBE_ICC, exif=b"Exif\0\0" + exif(6)))
    add("icc_grey.jpg", saved(grey, "JPEG", quality=95, icc_profile=grey_profile(1.0)))
    add("icc_of_another_kind.jpg", saved(im, "JPEG", quality=95, icc_profile=grey_profile(1.0)), b"")
    add("icc_garbage.jpg", saved(im, "JPEG", quality=95, icc_profile=b"no profile" * 20), b"")
    add("cmyk.jpg", saved(cmyk, "JPEG", quality=95))
    add("cmyk_icc.jpg", saved(cmyk, "JPEG", quality=95, icc_profile=cmyk_profile()))

    add("rgb.png", saved(im, "PNG"))
    add("grey.png", saved(grey, "PNG"))
    add("one_bit.png", saved(grey.convert("1"), "PNG"))
    add("palette.png", saved(palette, "PNG"))
    add("palette_trns.png", saved(holes, "PNG", transparency=bytes(i * 17 for i in range(16))))
    add("rgba.png", saved(rgba, "PNG"))
    add("grey_alpha.png", saved(la, "PNG"))
    add("rgb16.png", png(wide, 16, 2), b"")
    add("grey16.png", png(np.array(grey).astype(int) * 257 - 100, 16, 0), b"")
    add("iccp.png", saved(im, "PNG", icc_profile=ADOBE_ICC))
    add("iccp_alpha.png", saved(rgba, "PNG", icc_profile=ADOBE_ICC))
    add("iccp_grey.png", saved(grey, "PNG", icc_profile=grey_profile(1.0)))
    add("iccp_palette.png", saved(palette, "PNG", icc_profile=ADOBE_ICC))
    add("iccp_before_gama.png", png(rgb, 8, 2, [iccp(ADOBE_ICC), gama(1.0)]), ADOBE_ICC)
    add("exif.png", saved(im, "PNG", exif=exif(6)))
    # Pillow passes gAMA and cHRM over: what they mean is said to it as a profile.
    add("gama_linear.png", png(rgb, 8, 2, [gama(1.0)]), rgb_profile(REC709, gamma_curve(1.0)))
    add("gama_usual.png", png(rgb, 8, 2, [gama(0.45455), chrm(REC709)]), b"")
    add("gama_chrm.png", png(rgb, 8, 2, [gama(1 / 1.8), chrm(ADOBE)]), icc16)
    add("chrm_usual_gama.png", png(rgb, 8, 2, [gama(0.45455), chrm(ADOBE)]), rgb_profile(ADOBE, srgb_curve()))
    add("srgb_before_gama.png", png(rgb, 8, 2, [(b"sRGB", b"\0"), gama(1.0)]), b"")
    add("chrm_alone.png", png(rgb, 8, 2, [chrm(ADOBE)]), b"")

    add("lossy.webp", saved(im, "WEBP", quality=80))
    add("lossless.webp", saved(im, "WEBP", lossless=True))
    add("lossy_alpha.webp", saved(rgba, "WEBP", quality=80))
    add("lossless_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True))
    add("exif.webp", saved(im, "WEBP", lossless=True, exif=exif(8)))
    add("icc.webp", saved(im, "WEBP", lossless=True, icc_profile=ADOBE_ICC))
    add("icc_exif_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True, icc_profile=ADOBE_ICC, exif=b"Exif\0\0" + exif(5)))

    refused = {"animated.webp": saved(im, "WEBP", save_all=True, append_images=[im.rotate(180)], duration=100),
               "animated.png": saved(im, "PNG", save_all=True, append_images=[im.rotate(180)], duration=100)}

    rows = []
    for name, (data, icc) in sorted(files.items()):
        (OUT / name).write_bytes(data)
        pixels = expected(data, icc)
        rows.append({"file": name, "width": pixels.shape[1], "height": pixels.shape[0],
                     "rgb": base64.b64encode(pixels.tobytes()).decode()})
    for name, data in refused.items():
        (OUT / name).write_bytes(data)
    (OUT / "expected.json").write_text(json.dumps({"pictures": rows}, indent=0) + "\n")


main()
