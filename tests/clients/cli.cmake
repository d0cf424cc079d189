# The command line's parts, without a daemon.
foreach(part commands escape parse redact show times)
  cccc_test(NAME cli_${part} SOURCES test_cli_${part}.c LIBS cccc_cli)
endforeach()

# Manual pages as mandoc judges them; a page it cannot find among those installed is no finding.
find_program(CCCC_MANDOC mandoc)
if(CCCC_MANDOC)
  add_test(NAME cli_manual_pages COMMAND sh -c
    "for page in ${CMAKE_BINARY_DIR}/clients/cli/*.1 ${CMAKE_SOURCE_DIR}/broker/ccccd.8 ${CMAKE_SOURCE_DIR}/broker/hold/cccc-hold.8; do test -s \"$page\" || echo \"$page is empty\"; ${CCCC_MANDOC} -Tlint \"$page\"; done 2>&1 | grep -v 'referenced manual not found'; test $? = 1")
endif()
# Every page cccc(1) refers to is built and installed.
add_test(NAME cli_pages_complete COMMAND sh -c
  "$<TARGET_FILE:cccc_program> help --man | sed -n 's/^\\.Xr cccc.-\\([a-z]*\\) 1.*/\\1/p' >pages.txt && test -s pages.txt && while read -r page; do test -s ${CMAKE_BINARY_DIR}/clients/cli/cccc-$page.1 || exit 1; done <pages.txt")
foreach(shell bash zsh fish)
  find_program(CCCC_SHELL_${shell} ${shell})
  if(CCCC_SHELL_${shell})
    add_test(NAME cli_completion_${shell} COMMAND sh -c "$<TARGET_FILE:cccc_program> completion ${shell} | ${CCCC_SHELL_${shell}} -n /dev/stdin")
  endif()
endforeach()
