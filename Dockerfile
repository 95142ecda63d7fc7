# An image with the one file ./nanogpt (`make` first): docker build -t nanogpt . && docker run --rm -v "$PWD:/work" nanogpt train
# It is unpacked when the image is built, so that containers of any user start warm and may be read-only but for /work.
# For GPUs nothing is added here: the NVIDIA container toolkit brings the driver in (docker run --gpus all).
FROM debian:bookworm-slim
COPY nanogpt /usr/local/bin/nanogpt
ENV NANOGPT_CACHE=/opt/nanogpt
RUN install -d -m 755 /opt/nanogpt && nanogpt --verify-install
WORKDIR /work
ENTRYPOINT ["nanogpt"]
CMD ["--help"]
