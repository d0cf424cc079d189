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

# The same with the real daemon; the full number of messages takes its time.
add_library(cccc_real_daemon STATIC daemon.c scratch.c)
target_link_libraries(cccc_real_daemon PUBLIC cccc_client)
target_compile_definitions(cccc_real_daemon PRIVATE CCCCD_PATH="$<TARGET_FILE:ccccd>")
add_dependencies(cccc_real_daemon ccccd)
cccc_test(NAME client_blobs SOURCES test_client_blobs.c LIBS cccc_real_daemon)
cccc_test(NAME follow_ledger SOURCES test_follow_ledger.c LIBS cccc_real_daemon)
cccc_test(NAME follow_daemon SOURCES test_follow_daemon.c LIBS cccc_real_daemon TIMEOUT 120)
add_test(NAME follow_daemon_200000 COMMAND test_follow_daemon)
set_tests_properties(follow_daemon_200000 PROPERTIES ENVIRONMENT CCCC_TEST_SENDS=200000 LABELS slow TIMEOUT 300)
add_test(NAME client_examples COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/examples.sh $<TARGET_FILE_DIR:example_send> $<TARGET_FILE:cccc_program>)
set_tests_properties(client_examples PROPERTIES TIMEOUT 60)
