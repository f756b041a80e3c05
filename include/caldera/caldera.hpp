// All of Caldera's public interface.
#pragma once

#include "caldera/constraint.hpp"
#include "caldera/device.hpp"
#include "caldera/error.hpp"
#include "caldera/kv_format.hpp"
#include "caldera/model.hpp"
#include "caldera/session.hpp"
