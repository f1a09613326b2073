// What every program does before anything else.
#pragma once

namespace thex::cli {

// The first line of main(), before a file is opened.
//
// Standard input, output or error that the program was started without (`>&-`) is taken by /dev/null, opened so that
// reading the first and writing the others fail as before. Otherwise the next file or socket would get its number and
// whatever is printed: the texts and results of a client in clear on the connection to its server, messages in a file
// of results. (gnulib's stdopen does the same.) Without /dev/null the program ends with the status of
// ErrorCode::file.
//
// A file that reaches the limit of its size (`ulimit -f`) is a failure to write like any other, with a message, and not
// the end by SIGXFSZ.
void start_process();

}  // namespace thex::cli
