# What torch.Dockerfile stands on where no base is named: unpacked packages of the distribution that compiled, so that
# the C library fits.
FROM scratch
COPY rootfs/ /
