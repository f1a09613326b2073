// What goes wrong: one clear line, an exit status of its own, nothing half-written, no process left over.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "tests/support/cli_world.h"
#include "thex/transport/tcp.h"

namespace thex::testing {
namespace {

using namespace std::chrono_literals;
const CliWorld& world() { return CliWorld::instance(); }

std::size_t files_in(const std::filesystem::path& folder) {
  std::error_code error;
  std::size_t count = 0;
  for (auto it = std::filesystem::recursive_directory_iterator(folder, error);
       it != std::filesystem::recursive_directory_iterator(); ++it) {
    ++count;
  }
  return count;
}

// A port of this machine where nobody listens.
std::string free_address() { return transport::listen_tcp("127.0.0.1:0")->address(); }

bool wait_until(const std::function<bool()>& condition, std::chrono::seconds limit = 30s) {
  for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;
       std::this_thread::sleep_for(10ms)) {
    if (condition()) return true;
  }
  return condition();
}

TEST(Failure, Usage) {
  expect_error(world().thex({}), ErrorCode::usage, "--help");
  expect_error(world().thex({"frobnicate"}), ErrorCode::usage, "'frobnicate'; the commands are convert, keygen");
  expect_error(world().thex({"classify"}), ErrorCode::usage, "--input");
  expect_error(world().thex({"classify", "a", "--input", "b"}), ErrorCode::usage, "--input");
  expect_error(world().thex({"classify", "a", "--threads", "many"}), ErrorCode::usage, "--threads");
  expect_error(world().thex({"eval", "--mode", "guess"}), ErrorCode::usage, "--mode");
  expect_error(world().thex({"eval", "--task", "nonsense"}), ErrorCode::usage, "\"nonsense\"");
  expect_error(world().thex({"classify", "a", "--server", "nowhere"}), ErrorCode::usage, "HOST:PORT");
  expect_error(world().thex({"serve", "--listen", "127.0.0.1:0", "--prepare", "0"}), ErrorCode::usage, "--prepare");
  expect_error(world().thex({"serve", "--listen", "127.0.0.1:0", "--prepare", "500"}), ErrorCode::usage,
               "--prepare 500: the longest text");
}

TEST(Failure, Model) {
  expect_error(world().thex({"classify", "a", "--model", "/nonexistent"}), ErrorCode::model, "/nonexistent");
  expect_error(world().thex({"serve", "--model", "/nonexistent"}), ErrorCode::model, "/nonexistent");
  const auto folder = world().folder() / "broken";
  std::filesystem::create_directories(folder);
  expect_error(world().thex({"inspect", "--model", folder.string()}), ErrorCode::model, "config.json");
  write_file_atomically(folder / "config.json", std::string("{\"hidden_size\": \"wide\"}"));
  expect_error(world().thex({"inspect", "--model", folder.string()}), ErrorCode::model, "");
  for (const auto& entry : std::filesystem::directory_iterator(world().model())) {
    std::filesystem::copy_file(entry.path(), folder / entry.path().filename(),
                               std::filesystem::copy_options::overwrite_existing);
  }
  std::filesystem::resize_file(folder / "model.safetensors", 1000);
  expect_error(world().thex({"classify", "a", "--model", folder.string()}), ErrorCode::model, "");
}

// Refused before anything is encrypted or served, and told what to do.
TEST(Failure, AModelWhoseValuesNoMasksHide) {
  const auto folder = world().folder() / "far-too-large";
  model::Model model = write_model(
      folder, {.layers = 2, .hidden = 16, .ffn = 16, .max_tokens = 16, .protocol = model::Protocol::masked_rounds});
  for (model::LayerRanges& layer : model.config.thex->layers) layer.attention_sum = layer.output_norm = {1e9, 1e10};
  write_file_atomically(folder / "config.json", model::config_to_json(model.config));
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"inspect"}, {"keygen"}, {"classify", "a film"}, {"serve", "--listen", "127.0.0.1:0"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--model", folder.string(), "--protocol", "masked-rounds"});
    const Finished f = world().thex(arguments);
    expect_error(f, ErrorCode::crypto, "bits above the scale");
    EXPECT_NE(f.errors.find("`thex calibrate` measures those anew"), std::string::npos) << f.errors;
  }
}

TEST(Failure, Text) {
  expect_error(world().thex({"classify", ""}), ErrorCode::input, "");
  expect_error(world().thex({"classify", " \t"}), ErrorCode::input, "");
  expect_error(world().thex({"classify", "bad \xff\xfe"}), ErrorCode::input, "UTF-8");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "film ";
  expect_error(world().thex({"classify", text}), ErrorCode::input, "202");
  expect_error(world().thex({"classify", text, "--max-tokens", "16"}), ErrorCode::input, "raise --max-tokens");
  const auto file = world().folder() / "bad-texts";
  write_file_atomically(file, std::string("a film\nbad \xff\n"));
  expect_error(world().thex({"classify", "--input", file.string()}), ErrorCode::input, "bad-texts:2");
  expect_error(world().thex({"classify", "--input", (world().folder() / "none").string()}), ErrorCode::file, "none");
  expect_error(world().thex({"classify", "--input", world().folder().string()}), ErrorCode::file, "");
  expect_error(world().thex({"classify", "--input", world().data(), "--text-column", "review"}), ErrorCode::input,
               "review");
  expect_error(world().thex({"eval", "--data", file.string()}), ErrorCode::input, "");
}

TEST(Failure, NobodyListens) {
  const std::string address = free_address();
  expect_error(world().thex({"classify", "a film", "--server", address}), ErrorCode::network, address);
}

// The client waits for keys longer than the server waits for its first message.
TEST(Failure, KeysThatTakeLong) {
  const RunningServer server({"--hello-timeout", "1"});
  const auto home = world().folder() / "slow-home";
  auto environment = world().environment();
  environment["THEX_HOME"] = home.string();
  ASSERT_EQ(run({CliWorld::program(), "keygen"}, environment).status, 0);
  const auto folder = std::filesystem::directory_iterator(home / "keys")->path();
  std::size_t removed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) removed += std::filesystem::remove(entry);
  ASSERT_GE(removed, 2u);

  const int held = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(held, 0);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  Process client({CliWorld::program(), "classify", "a good film", "--server", server.address}, environment);
  std::this_thread::sleep_for(3s);
  ::close(held);
  client.close_input();
  EXPECT_EQ(client.wait(), 0) << client.errors;
  EXPECT_NE(client.errors.find("waiting"), std::string::npos) << "it did wait: " << client.errors;
}

TEST(Failure, PortTaken) {
  const RunningServer server;
  expect_error(world().thex({"serve", "--listen", server.address}), ErrorCode::network, server.address);
}

// Somebody answers who is no server of ours.
TEST(Failure, AnotherProtocol) {
  const auto listener = transport::listen_tcp("127.0.0.1:0");
  ASSERT_EQ(world().thex({"classify", "a film"}).status, 0);  // the keys are there
  Process client({CliWorld::program(), "classify", "a film", "--server", listener->address()}, world().environment());
  ASSERT_NE(listener->accept(), nullptr);  // only to see whether somebody is there
  const auto connection = listener->accept();
  ASSERT_NE(connection, nullptr);
  connection->send(protocol::MessageType::keys_ready, {}, in(5s));
  const int status = client.wait();
  expect_error({status, client.output, client.errors}, ErrorCode::protocol, "keys_ready");
}

TEST(Failure, ServerDiesHalfWay) {
  RunningServer server;
  const auto texts = world().folder() / "many";
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += "a film\n";
  write_file_atomically(texts, lines);
  Process client({CliWorld::program(), "classify", "--server", server.address, "--input", texts.string(), "--json"},
                 world().environment());
  ASSERT_FALSE(client.line().empty()) << client.errors;
  server.process->kill(SIGKILL);
  EXPECT_EQ(client.wait(), exit_status(ErrorCode::network));
  EXPECT_EQ(count_lines(client.errors), 1u) << client.errors;
  EXPECT_TRUE(client.output.ends_with("}\n")) << "only whole results are printed";
}

TEST(Failure, KeysOfAnotherModelAndDamagedKeys) {
  const auto other = world().folder() / "other-model";
  ModelShape shape;
  shape.max_relu_input = 4000;
  write_model(other, shape);
  const auto keys = world().folder() / "other-keys";
  ASSERT_EQ(world().thex({"keygen", "--model", other.string(), "-o", keys.string()}).status, 0);
  expect_error(world().thex({"classify", "good", "--keys", keys.string()}), ErrorCode::keys, "another model");
  expect_error(world().thex({"classify", "good", "--keys", (world().folder() / "no-keys").string()}), ErrorCode::keys,
               "thex keygen");
  expect_error(world().thex({"keygen", "--model", other.string(), "-o", keys.string()}), ErrorCode::keys, "--force");
  // A client of that model at a server of this one.
  const RunningServer server;
  expect_error(world().thex({"classify", "good", "--model", other.string(), "--keys", keys.string(), "--server",
                             server.address}),
               ErrorCode::keys, "plan");
  std::filesystem::resize_file(keys / "eval.keys", 1000);
  expect_error(world().thex({"classify", "good", "--model", other.string(), "--keys", keys.string()}), ErrorCode::keys,
               "eval.keys");
  std::filesystem::resize_file(keys / "secret.key", 50);
  expect_error(world().thex({"classify", "good", "--model", other.string(), "--keys", keys.string()}), ErrorCode::keys,
               "secret.key");
}

// One shape, other contents: nothing would fail, and the answers would be nonsense.
TEST(Failure, AModelOfTheSameShapeIsRefusedByName) {
  const RunningServer server;
  const auto other = world().folder() / "same-shape";
  write_model(other, {.seed = 2, .labels = {"cat", "dog"}});
  const Finished f = world().thex({"classify", "good", "--model", other.string(), "--server", server.address});
  expect_error({f.status, f.output, f.errors.substr(f.errors.rfind("thex: "))}, ErrorCode::model, "labels");
  for (const char* part : {"weights", "embeddings"}) EXPECT_NE(f.errors.find(part), std::string::npos) << f.errors;
  EXPECT_EQ(f.errors.find("vocabulary"), std::string::npos) << f.errors;
}

TEST(Failure, NothingHalfWrittenWhenTheDiskIsNotWritable) {
  const auto file = world().folder() / "a-file";
  write_file_atomically(file, std::string("x"));
  expect_error(world().thex({"keygen", "-o", (file / "keys").string()}), ErrorCode::file, "a-file");
  // Killed while it makes keys: no file that looks like one.
  const auto keys = world().folder() / "killed";
  for (const auto delay : {20ms, 150ms, 400ms}) {
    std::filesystem::remove_all(keys);
    {
      Process keygen({CliWorld::program(), "keygen", "-o", keys.string()}, world().environment());
      std::this_thread::sleep_for(delay);
      keygen.kill(SIGTERM);
      if (keygen.wait() == 0) continue;
    }
    EXPECT_FALSE(std::filesystem::exists(keys / "secret.key"));
    EXPECT_LE(files_in(keys), 1u) << "eval.keys at most";
    EXPECT_EQ(files_in(keys), std::filesystem::exists(keys / "eval.keys") ? 1u : 0u) << "and whole";
    // What was left, if anything, does not stand in the way.
    EXPECT_EQ(world().thex({"keygen", "-o", keys.string()}).status, 0);
  }
}

// `thex ARGUMENTS` by a shell, which opens and closes what it is given.
Finished shell(const std::string& before, const std::string& arguments) {
  return run({"/bin/sh", "-c", before + "exec " + CliWorld::program() + " " + arguments}, world().environment());
}

TEST(Failure, OutputThatCannotBeWritten) {
  for (const char* arguments : {"inspect > /dev/full", "--help > /dev/full", "serve --help >/dev/full"}) {
    const Finished f = shell("", arguments);
    EXPECT_EQ(f.status, exit_status(ErrorCode::file)) << arguments;
    EXPECT_EQ(count_lines(f.errors), 1u) << f.errors;
  }
}

// A number that the shell has closed is the next that a file or a socket gets; nothing that is printed may go there.
TEST(Failure, ClosedStandardStreamsAreNoOthers) {
  RunningServer server;
  const auto texts = world().folder() / "two-texts", results = world().folder() / "two.jsonl";
  write_file_atomically(texts, std::string("a film\na good film\n"));
  const std::string at_server = "--server " + server.address;
  const Finished out = shell("", "classify 'a film' " + at_server + " >&-");
  EXPECT_EQ(out.status, exit_status(ErrorCode::file));
  EXPECT_NE(out.errors.find("cannot write"), std::string::npos) << out.errors;

  const std::string to_file = "classify --input " + texts.string() + " --output " + results.string() + " " + at_server;
  ASSERT_EQ(shell("", to_file).status, 0);
  const std::string whole = read_file(results, 1 << 20);
  write_file_atomically(results, whole.substr(0, whole.find('\n') + 1));
  const Finished err = shell("", to_file + " 2>&-");  // it would say that one result is there already
  EXPECT_EQ(err.status, 0);
  std::istringstream lines(read_file(results, 1 << 20));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(Json::accept(line)) << line;
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(shell("", "classify 'a film' <&- >/dev/null 2>&-").status, 0) << "with a server of its own";
  for (const char* none : {"<&-", "</"})
    expect_error(shell("", std::string("classify --input - ") + none), ErrorCode::file, "cannot read standard input");

  server.process->kill(SIGTERM);
  EXPECT_EQ(server.process->wait(), 0);
  const Json stopped = Json::parse(server.process->output.substr(server.process->output.rfind("{\"stopped\"")));
  EXPECT_EQ(stopped["failures"], 0) << server.process->errors;
}

TEST(Failure, AServerWithoutStandardErrorServes) {
  Process server({"/bin/sh", "-c", "exec " + CliWorld::program() + " serve --json --listen 127.0.0.1:0 2>&-"},
                 world().environment());
  const Json ready = Json::parse(server.line());
  const std::string null = std::filesystem::read_symlink("/proc/" + std::to_string(server.pid()) + "/fd/2");
  EXPECT_EQ(null, "/dev/null");
  EXPECT_EQ(world().thex({"classify", "good", "--server", ready["listening"].get<std::string>()}).status, 0);
  server.kill(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

// A log that nobody reads: a pipe that is full already.
TEST(Failure, AServerWhoseLogIsNotReadServes) {
  int log[2];
  ASSERT_EQ(::pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
  const std::string much(1 << 20, '.');
  while (::write(log[1], much.data(), much.size()) > 0) {
  }
  const std::string pipe = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(log[1]);
  Process server({"/bin/sh", "-c", "exec " + CliWorld::program() + " serve --json --listen 127.0.0.1:0 2>" + pipe},
                 world().environment());
  const Json ready = Json::parse(server.line());
  const std::string classify = "classify good --server " + ready["listening"].get<std::string>();
  EXPECT_EQ(shell("", classify).status, 0);
  std::string rest(1 << 20, ' ');
  const ssize_t before = ::read(log[0], rest.data(), rest.size());
  ASSERT_GT(before, 0);
  EXPECT_EQ(rest.substr(0, static_cast<std::size_t>(before)).find_first_not_of("."), std::string::npos);
  server.kill(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
  const ssize_t after = ::read(log[0], rest.data(), rest.size());
  ASSERT_GT(after, 0);
  rest.resize(static_cast<std::size_t>(after));
  EXPECT_NE(rest.find("lines before this one were left out"), std::string::npos) << rest;
  EXPECT_NE(rest.find("stopped: 1 queries"), std::string::npos) << rest;
  for (const int fd : log) ::close(fd);
}

// The limit of a file's size is told, and does not end the program with a signal.
TEST(Failure, FilesThatMayNotGrow) {
  const auto keys = world().folder() / "limited";
  const Finished f = shell("ulimit -f 8; ", "keygen -o " + keys.string());
  expect_error(f, ErrorCode::file, "File too large");
  EXPECT_EQ(files_in(keys), 0u);
}

TEST(Failure, AModelThatMayNotBeRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run it as another user";
  if (!std::filesystem::exists("/usr/bin/setpriv")) GTEST_SKIP() << "no setpriv";
  const Finished f = run({"/usr/bin/setpriv", "--reuid=65534", "--clear-groups", CliWorld::program(), "inspect"},
                         world().environment());
  expect_error(f, ErrorCode::file, "Permission denied");
}

// The server that `thex classify` starts for itself ends with it, whatever ends it.
TEST(Failure, TheChildServerDiesWithItsParent) {
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    Process client({CliWorld::program(), "classify", "--input", "-", "--json"}, world().environment());
    client.write("a film\n");  // then it waits for more
    ASSERT_FALSE(client.line().empty()) << client.errors;
    const auto servers = children(client.pid(), "thex-server");
    ASSERT_EQ(servers.size(), 1u);
    EXPECT_TRUE(alive(servers[0]));
    client.kill(signal);
    EXPECT_EQ(client.wait(), 128 + signal);
    EXPECT_TRUE(wait_until([&] { return !alive(servers[0]); })) << "signal " << signal;
  }
}

TEST(Failure, ConvertWithoutTheConverter) {
  // The programs alone in a folder: no thex-convert beside them.
  const auto folder = world().folder() / "bin";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(CliWorld::program(), folder / "thex");
  expect_error(run({(folder / "thex").string(), "convert", "--help"}), ErrorCode::file, "thex-convert");
  expect_error(run({(folder / "thex").string(), "serve"}, world().environment()), ErrorCode::file, "thex-server");
  expect_error(run({(folder / "thex").string(), "classify", "good"}, world().environment()), ErrorCode::file,
               "thex-server");
}

TEST(Failure, TheServerOutlivesItsClients) {
  RunningServer server;
  const auto idle = transport::connect_tcp(server.address, 5s);
  {
    const auto garbage = transport::connect_tcp(server.address, 5s);
    garbage->send(protocol::MessageType::result, protocol::Bytes(10), in(5s));
  }
  {  // a client that is killed in the middle
    Process client({CliWorld::program(), "classify", "--server", server.address, "--input", "-", "--json"},
                   world().environment());
    client.write("a film\n");
    client.line();
    client.write("a good film\n");
    client.kill(SIGKILL);
    client.wait();
  }
  EXPECT_EQ(world().thex({"classify", "good", "--server", server.address}).status, 0);
  server.process->kill(SIGINT);
  EXPECT_EQ(server.process->wait(), 0) << server.process->errors;
}

}  // namespace
}  // namespace thex::testing
