# SPDX-License-Identifier: Apache-2.0
# <folder>/<name>.cpp registers the pair loss <name>: the manifests list them as @PAIRLAB_PAIR_LOSSES@.
#   pairlab_pair_losses(out folder...)      out: "aot", "hinge", ... as JSON strings
# Also a script, for a manifest made outside the tree's build:
#   cmake -DLOSS_FOLDERS=a;b -DMANIFEST=in.json -DOUT=out.json -DPAIRLAB_MANIFEST_BUILD_TAG=... -P PairLosses.cmake
function(pairlab_pair_losses out)
    set(names "")
    set(watch CONFIGURE_DEPENDS)
    if(CMAKE_SCRIPT_MODE_FILE)
        set(watch "")
    endif()
    foreach(folder IN LISTS ARGN)
        file(GLOB sources ${watch} ${folder}/*.cpp)
        list(APPEND names ${sources})
    endforeach()
    list(TRANSFORM names REPLACE ".*/([a-z0-9_]+)\\.cpp$" "\"\\1\"")
    list(SORT names)
    list(JOIN names ", " joined)
    set(${out} "${joined}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    pairlab_pair_losses(PAIRLAB_PAIR_LOSSES ${LOSS_FOLDERS})
    configure_file(${MANIFEST} ${OUT} @ONLY)
endif()
