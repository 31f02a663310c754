# SPDX-License-Identifier: Apache-2.0
# Finds libtorch from the paths of a PyTorch wheel (or of a libtorch archive) without a CUDA toolkit, and without
# torch's own CMake package, which asks for one. Result: the target PairLab::Torch and PAIRLAB_TORCH_TAG.

if(NOT PAIRLAB_TORCH)
    set(_roots $ENV{PAIRLAB_TORCH})
    if(DEFINED ENV{XDG_CACHE_HOME})
        list(APPEND _roots "$ENV{XDG_CACHE_HOME}/pairlab")
    endif()
    list(APPEND _roots "$ENV{HOME}/.cache/pairlab")
    foreach(_root IN LISTS _roots)
        file(GLOB _found "${_root}" "${_root}/torch" "${_root}/torch-*/lib/python3*/site-packages/torch")
        foreach(_candidate IN LISTS _found)
            if(EXISTS "${_candidate}/lib/libtorch_cpu.so")
                set(PAIRLAB_TORCH "${_candidate}" CACHE PATH "The torch folder of a PyTorch wheel, or a libtorch folder" FORCE)
                break()
            endif()
        endforeach()
        if(PAIRLAB_TORCH)
            break()
        endif()
    endforeach()
endif()
if(NOT PAIRLAB_TORCH OR NOT EXISTS "${PAIRLAB_TORCH}/lib/libtorch_cpu.so")
    message(FATAL_ERROR "libtorch not found (looked for lib/libtorch_cpu.so in '${PAIRLAB_TORCH}'). Run "
                        "./packaging/quickstart --no-run, or pass -DPAIRLAB_TORCH=<torch folder of a PyTorch wheel>.")
endif()

# The version stands in the wheel's version.py, in a libtorch archive's build-version, and in the headers of both.
set(PAIRLAB_TORCH_VERSION "")
file(STRINGS "${PAIRLAB_TORCH}/include/torch/headeronly/version.h" _v REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
if(NOT _v)
    file(STRINGS "${PAIRLAB_TORCH}/include/torch/csrc/api/include/torch/version.h" _v
         REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
endif()
foreach(_line IN LISTS _v)
    string(REGEX REPLACE ".* ([0-9]+)$" "\\1" _n "${_line}")
    list(APPEND _numbers ${_n})
endforeach()
if(_numbers)
    string(REPLACE ";" "." PAIRLAB_TORCH_VERSION "${_numbers}")
endif()
if(NOT PAIRLAB_TORCH_VERSION OR PAIRLAB_TORCH_VERSION VERSION_LESS 2.7)
    message(FATAL_ERROR "libtorch ${PAIRLAB_TORCH_VERSION} in ${PAIRLAB_TORCH} is too old: 2.7 or newer is needed "
                        "(older CPU wheels have the old C++ ABI).")
endif()

add_library(PairLab_Torch INTERFACE)
add_library(PairLab::Torch ALIAS PairLab_Torch)
target_include_directories(PairLab_Torch SYSTEM INTERFACE ${PAIRLAB_TORCH}/include
                                                          ${PAIRLAB_TORCH}/include/torch/csrc/api/include)
# The wheel brings headers of its own {fmt}, which come before the system's; the library of the system has another version,
# so what includes torch uses {fmt} from the headers alone.
target_compile_definitions(PairLab_Torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1 FMT_HEADER_ONLY=1)
target_link_directories(PairLab_Torch INTERFACE ${PAIRLAB_TORCH}/lib)
set(PAIRLAB_TORCH_CUDA none)
if(EXISTS "${PAIRLAB_TORCH}/lib/libtorch_cuda.so")
    set(PAIRLAB_TORCH_CUDA yes)
    # The CUDA backend registers itself when loaded: keep it although no symbol of it is named. Its own CUDA libraries
    # lie in sibling folders of the wheel and are found through the rpath it was built with.
    target_link_options(PairLab_Torch INTERFACE "-Wl,--no-as-needed" "${PAIRLAB_TORCH}/lib/libtorch_cuda.so"
                                                "${PAIRLAB_TORCH}/lib/libc10_cuda.so" "-Wl,--as-needed"
                                                "-Wl,--allow-shlib-undefined")
endif()
target_link_libraries(PairLab_Torch INTERFACE ${PAIRLAB_TORCH}/lib/libtorch.so ${PAIRLAB_TORCH}/lib/libtorch_cpu.so
                                              ${PAIRLAB_TORCH}/lib/libc10.so)
target_link_options(PairLab_Torch INTERFACE "-Wl,-rpath,${PAIRLAB_TORCH}/lib" "-Wl,--allow-shlib-undefined")
# What decides binary compatibility of a plugin: checked by the worker before it calls into one.
file(GLOB _learn_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/learn/*/*.h ${CMAKE_SOURCE_DIR}/core/base/*.h)
set(_digest "")
foreach(_header IN LISTS _learn_headers)
    file(SHA256 ${_header} _one)
    string(APPEND _digest ${_one})
endforeach()
string(SHA256 _digest "${_digest}")
string(SUBSTRING ${_digest} 0 12 _digest)
set(PAIRLAB_BUILD_TAG "torch=${PAIRLAB_TORCH_VERSION};cxx11abi=1;cuda=${PAIRLAB_TORCH_CUDA};learn=${_digest}")
message(STATUS "libtorch ${PAIRLAB_TORCH_VERSION} (CUDA: ${PAIRLAB_TORCH_CUDA}) from ${PAIRLAB_TORCH}")
