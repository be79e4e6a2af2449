/* For cudaGL.h and cuda_gl_interop.h; the latter also asks whether GL_VERSION is defined, on Arm. */
#pragma once
#define GL_VERSION 0x1F02
typedef unsigned int GLenum;
typedef unsigned int GLuint;
