# libcccc against a daemon that misbehaves on request (fake_broker.c).
add_library(cccc_fake_broker STATIC fake_broker.c scratch.c)
target_link_libraries(cccc_fake_broker PUBLIC cccc_client Threads::Threads)

cccc_test(NAME client SOURCES test_client.c LIBS cccc_fake_broker)
cccc_test(NAME follow SOURCES test_follow.c LIBS cccc_fake_broker TIMEOUT 120)

# A sanitized library needs its runtime, which a plain program does not bring.
if(NOT CCCC_SANITIZE AND NOT CCCC_COVERAGE)
  add_test(NAME client_exports COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/exports.sh $<TARGET_FILE:cccc> ${CMAKE_SOURCE_DIR}/clients/lib/include/cccc.h)
  add_test(NAME client_installed COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/installed.sh ${CMAKE_COMMAND} ${CMAKE_BINARY_DIR} ${CMAKE_C_COMPILER} ${CMAKE_SOURCE_DIR})
endif()
find_program(MANDOC mandoc)
if(MANDOC)
  add_test(NAME client_manual COMMAND ${MANDOC} -Tlint -Wwarning ${CMAKE_SOURCE_DIR}/clients/lib/cccc.3)
endif()
