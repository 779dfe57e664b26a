# A formula for a tap. `make formula REPOSITORY=owner/name` fills in VERSION, SHA256 and REPOSITORY from dist/.
class Video2mp3 < Formula
  include Language::Python::Virtualenv

  desc "Turns video into MP3: a command-line, a service and a Python library"
  homepage "https://github.com/REPOSITORY"
  url "https://github.com/REPOSITORY/releases/download/vVERSION/video2mp3_service-VERSION.tar.gz"
  sha256 "SHA256"
  license "Apache-2.0"

  depends_on "python@3.13"

  # Wheels with hashes instead of resources: those of PyAV and lameenc contain FFmpeg and LAME.
  def install
    virtualenv_create(libexec, "python3.13", without_pip: false)
    pip = [libexec/"bin/python", "-m", "pip", "--disable-pip-version-check", "install"]
    system(*pip, "--require-hashes", "-r", "requirements/build.txt", "-r", "requirements/runtime.txt")
    system(*pip, "--no-deps", "--no-build-isolation", buildpath)
    bin.install_symlink libexec/"bin/video2mp3"
    man1.install_symlink libexec/"share/man/man1/video2mp3.1"
    generate_completions_from_executable(bin/"video2mp3", shell_parameter_format: :typer)
  end

  service do
    run [opt_bin/"video2mp3", "serve"]
    keep_alive true
  end

  test do
    system "/usr/bin/say", "--output-file=#{testpath}/talk.aiff", "One, two, three."
    system bin/"video2mp3", "convert", testpath/"talk.aiff"
    assert_path_exists testpath/"talk.mp3"
  end
end
